// The bridge's end of the connections to shims: one ZeroMQ ROUTER socket over ipc or tcp. The only
// place that knows ZeroMQ; its exceptions stop here. Used by the bridge's loop, on its one thread;
// tests of who speaks through it have one in memory.
//
// Who may connect: over ipc only this user, by the mode of the socket's folder (0700, checked) and
// by the user id that the kernel gives with every message. Over tcp only who has a key on the
// allow-list (CURVE); without keys only this machine, and only if that was asked for.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bridge/link/curve_keys.h"
#include "events/error.h"
#include "events/link_message.h"

namespace flarebridge {

// How an endpoint of tcp is guarded.
struct LinkSecurity {
  std::optional<CurveKeys> keys;               // the bridge's own
  std::map<std::string, std::string> clients;  // public key -> name
  bool unguarded = false;                      // no keys: anybody on this machine may connect
};

class Link {
 public:
  // Binds the endpoint: "ipc:///path" (the folder must exist, belong to this user and have mode
  // 0700) or "tcp://address:port". Errors: kConfig (an endpoint that is not allowed), kIo, kBusy.
  static Expected<std::unique_ptr<Link>> Bind(const std::string& endpoint,
                                              const LinkSecurity& security);
  virtual ~Link() = default;

  // Becomes readable when there may be something to do; edge-triggered, so ask HasInput() before
  // sleeping (http://api.zeromq.org/4-3:zmq-getsockopt, ZMQ_FD).
  virtual int fd() const = 0;
  virtual bool HasInput() const = 0;

  // A connection; the bytes are ZeroMQ's and mean nothing here.
  using Peer = std::string;
  struct Incoming {
    Peer peer;
    std::string client;  // the name that belongs to its key, or empty
    // What came: a message, or why it is none. A batch's body is valid for the call only.
    Expected<ShimMessage> message;
  };
  // Takes one message if there is one and hands it on. False: nothing there.
  virtual bool Receive(const std::function<void(const Incoming&)>& handle) = 0;
  // Connections that were turned away because of their keys, so far.
  virtual uint64_t refused() const = 0;

  // Sends without waiting. False: the peer is gone or does not read; what is lost is only ever an
  // acknowledgement or a notice, and the next one says the same.
  virtual bool Send(const Peer& peer, const BridgeMessage& message) = 0;
};

}  // namespace flarebridge
