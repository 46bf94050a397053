// Who may connect over tcp: answers ZeroMQ's question for each handshake whether a client's public
// key is on the allow-list (ZAP, https://rfc.zeromq.org/spec/27/). Without it ZeroMQ would take any
// key, which the link then refuses: a message without a name from here. A thread of its own,
// because ZeroMQ waits for the answer.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "events/error.h"

namespace zmq {
class context_t;
}

namespace flarebridge {

class Gatekeeper {
 public:
  // `clients`: public key -> name. Start it before a socket of the context is bound; end it after
  // that socket. Errors: kIo.
  static Expected<std::unique_ptr<Gatekeeper>> Start(
      zmq::context_t& context, const std::map<std::string, std::string>& clients);
  ~Gatekeeper();
  Gatekeeper(const Gatekeeper&) = delete;
  Gatekeeper& operator=(const Gatekeeper&) = delete;

  // Handshakes that were turned away.
  uint64_t refused() const { return refused_; }

 private:
  struct Sockets;
  Gatekeeper(zmq::context_t& context, std::map<std::string, std::string> clients);
  void Work();
  void AnswerOne();

  std::map<std::string, std::string> clients_;
  std::unique_ptr<Sockets> sockets_;
  std::atomic<uint64_t> refused_ = 0;
};

}  // namespace flarebridge
