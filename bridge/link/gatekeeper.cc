#include "bridge/link/gatekeeper.h"

#include <array>
#include <string_view>
#include <thread>
#include <vector>
#include <zmq.hpp>

namespace flarebridge {
namespace {

// Frames of a request: version, number, domain, address, identity, mechanism, credentials.
constexpr size_t kRequestFrames = 7;
constexpr size_t kKeyBytes = 32;

}  // namespace

struct Gatekeeper::Sockets {
  explicit Sockets(zmq::context_t& context)
      : questions(context, zmq::socket_type::rep),
        stop_here(context, zmq::socket_type::pair),
        stop_there(context, zmq::socket_type::pair) {
    questions.set(zmq::sockopt::linger, 0);
    questions.bind("inproc://zeromq.zap.01");
    stop_there.bind("inproc://gatekeeper-stop");
    stop_here.connect("inproc://gatekeeper-stop");
  }
  zmq::socket_t questions, stop_here, stop_there;
  std::thread thread;
};

Gatekeeper::Gatekeeper(zmq::context_t& context, std::map<std::string, std::string> clients)
    : clients_(std::move(clients)), sockets_(std::make_unique<Sockets>(context)) {}

Expected<std::unique_ptr<Gatekeeper>> Gatekeeper::Start(
    zmq::context_t& context, const std::map<std::string, std::string>& clients) {
  try {
    std::unique_ptr<Gatekeeper> self(new Gatekeeper(context, clients));
    self->sockets_->thread = std::thread([&self = *self] { self.Work(); });
    return self;
  } catch (const zmq::error_t& e) {
    return Fail(ErrorCode::kIo, std::string("connections can't be guarded: ") + e.what());
  }
}

Gatekeeper::~Gatekeeper() {
  if (!sockets_->thread.joinable()) return;
  try {
    sockets_->stop_here.send(zmq::str_buffer("stop"), zmq::send_flags::none);
  } catch (const zmq::error_t&) {
    // The context is ending, which stops the thread as well.
  }
  sockets_->thread.join();
}

void Gatekeeper::Work() {
  try {
    while (true) {
      std::array<zmq::pollitem_t, 2> items = {{{sockets_->questions.handle(), 0, ZMQ_POLLIN, 0},
                                               {sockets_->stop_there.handle(), 0, ZMQ_POLLIN, 0}}};
      zmq::poll(items.data(), items.size(), std::chrono::milliseconds(-1));
      if ((items[1].revents & ZMQ_POLLIN) != 0) return;
      if ((items[0].revents & ZMQ_POLLIN) != 0) AnswerOne();
    }
  } catch (const zmq::error_t&) {
    return;  // the context is ending
  }
}

void Gatekeeper::AnswerOne() {
  std::vector<zmq::message_t> frames;
  do {
    frames.emplace_back();
    (void)sockets_->questions.recv(frames.back(), zmq::recv_flags::none);
  } while (frames.back().more());
  std::string name;
  if (frames.size() == kRequestFrames && frames[5].to_string_view() == "CURVE" &&
      frames[6].size() == kKeyBytes) {
    std::array<char, 41> key{};
    zmq_z85_encode(key.data(), frames[6].data<uint8_t>(), kKeyBytes);
    const auto client = clients_.find(key.data());
    if (client != clients_.end()) name = client->second;
  }
  if (name.empty()) ++refused_;
  const std::string number = frames.size() > 1 ? frames[1].to_string() : "";
  const std::array<std::string, 6> answer = {
      "1.0", number, name.empty() ? "400" : "200", name.empty() ? "not on the list" : "", name, ""};
  for (size_t i = 0; i < answer.size(); ++i) {
    const auto flags = i + 1 < answer.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
    sockets_->questions.send(zmq::buffer(answer.at(i)), flags);
  }
}

}  // namespace flarebridge
