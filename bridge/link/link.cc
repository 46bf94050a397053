#include "bridge/link/link.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <zmq.hpp>

#include "bridge/link/gatekeeper.h"
#include "receivers/files/file_info.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

constexpr std::string_view kIpc = "ipc://";
constexpr std::string_view kTcp = "tcp://";
// sun_path's limit without its final zero (unix(7)).
constexpr size_t kMaxIpcPath = 107;
// Messages of one peer that ZeroMQ holds for us, each of kMaxBatchBytes at most, whatever the
// peer's credit: 48 MiB. With 8 of them a single session is slower by two fifths (1.03 against 1.80
// million events a second), because its socket stops and starts again all the time.
constexpr int kReceiveHighWater = 24;
// Acknowledgements and notices that wait for a peer that does not read.
constexpr int kSendHighWater = 64;
constexpr std::chrono::milliseconds kLinger{500};
constexpr std::chrono::milliseconds kHandshake{5000};

Expected<void> CheckIpcFolder(const std::string& path) {
  if (path.size() > kMaxIpcPath) {
    return Fail(ErrorCode::kConfig, "endpoint ipc://" + path +
                                        ": a socket's path may have 107 bytes; use a shorter one");
  }
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Expected<FileInfo> info = InfoOf(folder);
  if (!info) return FailOf("endpoint ipc://" + path + ": its folder", info);
  if (!info->is_folder || info->owner != geteuid() || info->IsOpenToOthers()) {
    return Fail(ErrorCode::kConfig,
                "endpoint ipc://" + path +
                    ": its folder must be this user's and have mode 0700, so that "
                    "nobody else can connect");
  }
  return {};
}

Expected<void> CheckEndpoint(const std::string& endpoint, const LinkSecurity& security) {
  if (endpoint.starts_with(kIpc)) return CheckIpcFolder(endpoint.substr(kIpc.size()));
  if (!endpoint.starts_with(kTcp))
    return Fail(ErrorCode::kConfig, "endpoint " + endpoint + " is neither ipc:// nor tcp://");
  if (security.keys) return {};
  if (!security.unguarded) {
    return Fail(ErrorCode::kConfig,
                "endpoint " + endpoint +
                    ": over tcp the bridge needs its key (--key FILE) and a list of its clients' "
                    "keys (--clients FOLDER); make keys with: flarebridge keygen NAME");
  }
  const std::string host = endpoint.substr(kTcp.size());
  if (host.starts_with("127.") || host.starts_with("[::1]:") || host.starts_with("localhost:"))
    return {};
  return Fail(ErrorCode::kConfig,
              "endpoint " + endpoint + ": without keys only this machine (127.0.0.1) is served");
}

void Guard(zmq::socket_t& router, const CurveKeys& keys) {
  router.set(zmq::sockopt::curve_server, true);
  router.set(zmq::sockopt::curve_secretkey, keys.secret_key);
  router.set(zmq::sockopt::zap_domain, "flarebridge");
  // A handshake that is not finished by then is given up, so that half-open ones do not pile up.
  router.set(zmq::sockopt::handshake_ivl, static_cast<int>(kHandshake.count()));
}

// The name that the gatekeeper gave to the key of a message's sender.
std::string ClientOf(const zmq::message_t& message) {
  const char* name = zmq_msg_gets(message.handle(), "User-Id");
  return name == nullptr ? "" : name;
}

// ZeroMQ gives "localhost:<uid>:<gid>:<pid>" for a peer on ipc (measured on 4.3.4).
bool IsThisUser(const zmq::message_t& message) {
  const char* address = zmq_msg_gets(message.handle(), "Peer-Address");
  const std::string text = address == nullptr ? "" : address;
  const std::string expected = "localhost:" + std::to_string(geteuid()) + ":";
  return text.starts_with(expected);
}

std::string_view View(const zmq::message_t& message) {
  return {static_cast<const char*>(message.data()), message.size()};
}

struct Sockets {
  zmq::context_t context;
  std::unique_ptr<Gatekeeper> gatekeeper;  // outlives the socket it guards
  zmq::socket_t router{context, zmq::socket_type::router};
  bool ipc = false;
  bool keys = false;  // who sends has one, and the gatekeeper has given its name
  std::string path;   // of an ipc socket
};

class ZmqLink : public Link {
 public:
  explicit ZmqLink(std::unique_ptr<Sockets> sockets) : sockets_(std::move(sockets)) {}
  ~ZmqLink() override {
    std::error_code ignored;
    if (sockets_->ipc) std::filesystem::remove(sockets_->path, ignored);
  }
  ZmqLink(const ZmqLink&) = delete;
  ZmqLink& operator=(const ZmqLink&) = delete;

  int fd() const override { return sockets_->router.get(zmq::sockopt::fd); }
  bool HasInput() const override {
    return (sockets_->router.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0;
  }
  bool Receive(const std::function<void(const Incoming&)>& handle) override;
  uint64_t refused() const override {
    return sockets_->gatekeeper ? sockets_->gatekeeper->refused() : 0;
  }
  bool Send(const Peer& peer, const BridgeMessage& message) override;

 private:
  std::unique_ptr<Sockets> sockets_;
};

bool ZmqLink::Receive(const std::function<void(const Incoming&)>& handle) {
  try {
    zmq::message_t peer;
    zmq::message_t header;
    zmq::message_t body;
    if (!sockets_->router.recv(peer, zmq::recv_flags::dontwait)) return false;
    // A whole message is there once its first frame is.
    bool more = peer.more();
    if (more) {
      (void)sockets_->router.recv(header, zmq::recv_flags::none);
      more = header.more();
    }
    if (more) {
      (void)sockets_->router.recv(body, zmq::recv_flags::none);
      more = body.more();
    }
    const bool too_many = more;
    while (more) {
      zmq::message_t ignored;
      (void)sockets_->router.recv(ignored, zmq::recv_flags::none);
      more = ignored.more();
    }
    Incoming incoming{peer.to_string(), sockets_->keys ? ClientOf(header) : "",
                      Fail(ErrorCode::kMalformed, "a message of more than two frames")};
    if (sockets_->ipc && !IsThisUser(header)) {
      incoming.message = Fail(ErrorCode::kForbidden, "another user's process is not served");
    } else if (sockets_->keys && incoming.client.empty()) {
      // ZeroMQ lets every key in where nobody answers for the list: its option against that
      // (ZMQ_ZAP_ENFORCE_DOMAIN) is of its draft interface, which distributions leave out.
      incoming.message = Fail(ErrorCode::kForbidden, "nobody has vouched for this key");
    } else if (!too_many) {
      incoming.message = ParseShimMessage(View(header), View(body));
    }
    handle(incoming);
    return true;
  } catch (const zmq::error_t&) {
    // EINTR and a connection that broke in mid-message: there is nothing to hand on.
    return false;
  }
}

bool ZmqLink::Send(const Peer& peer, const BridgeMessage& message) {
  try {
    auto& router = sockets_->router;
    if (!router.send(zmq::buffer(peer), zmq::send_flags::sndmore | zmq::send_flags::dontwait))
      return false;
    return router.send(zmq::buffer(EncodeHeader(message)), zmq::send_flags::dontwait).has_value();
  } catch (const zmq::error_t&) {
    return false;  // EHOSTUNREACH: the peer is gone
  }
}

}  // namespace

Expected<std::unique_ptr<Link>> Link::Bind(const std::string& endpoint,
                                           const LinkSecurity& security) {
  if (Expected<void> allowed = CheckEndpoint(endpoint, security); !allowed) {
    return Propagate(allowed);
  }
  try {
    auto sockets = std::make_unique<Sockets>();
    sockets->ipc = endpoint.starts_with(kIpc);
    if (sockets->ipc) sockets->path = endpoint.substr(kIpc.size());
    zmq::socket_t& router = sockets->router;
    router.set(zmq::sockopt::router_mandatory, true);
    router.set(zmq::sockopt::linger, static_cast<int>(kLinger.count()));
    router.set(zmq::sockopt::rcvhwm, kReceiveHighWater);
    router.set(zmq::sockopt::sndhwm, kSendHighWater);
    // A frame that is larger closes its connection before it is read.
    router.set(zmq::sockopt::maxmsgsize, static_cast<int64_t>(kMaxBatchBytes));
    // A connection whose other end froze or was cut is found out by ZeroMQ itself.
    router.set(zmq::sockopt::heartbeat_ivl, 5000);
    router.set(zmq::sockopt::heartbeat_timeout, 20000);
    if (security.keys && !sockets->ipc) {
      auto gatekeeper = Gatekeeper::Start(sockets->context, security.clients);
      if (!gatekeeper) return Propagate(gatekeeper);
      sockets->gatekeeper = std::move(*gatekeeper);
      sockets->keys = true;
      Guard(router, *security.keys);
    }
    const mode_t mask = umask(0177);
    try {
      router.bind(endpoint);
    } catch (...) {
      umask(mask);
      throw;
    }
    umask(mask);
    return std::make_unique<ZmqLink>(std::move(sockets));
  } catch (const zmq::error_t& e) {
    const ErrorCode code = e.num() == EADDRINUSE ? ErrorCode::kBusy : ErrorCode::kIo;
    return Fail(code, "endpoint " + endpoint + " can't be bound: " + e.what());
  }
}

}  // namespace flarebridge
