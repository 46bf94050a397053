// Logs to a bridge as a shim does, without Python: one session of many sites, at a rate or as fast
// as the bridge takes it. Prints one line of JSON: what was acknowledged, in which time, and how
// long an event's acknowledgement took. For load tests and benchmarks.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "events/event_codec.h"
#include "events/link_message.h"

namespace {

using namespace flarebridge;
using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::milliseconds;

struct Options {
  std::string endpoint, folder;
  unsigned sites = 1, values = 1;
  unsigned names = 1;   // of metrics, one behind the other, if each event has one value
  uint64_t events = 0;  // 0: until the time is over
  double rate = 0;      // events a second of all sites together; 0: as many as the bridge takes
  double seconds = 10;
  std::string receivers = "wandb";  // "none": nothing is wanted, which measures the way until there
  bool keep = false;                // the session is left open
};

double EpochNow() {
  return duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Values of a few sizes as training has them.
class Events {
 public:
  explicit Events(const Options& options) : options_(options) {
    for (unsigned i = 0; i < options.sites; ++i) sites_.push_back("site-" + std::to_string(i));
    for (unsigned i = 0; i < options.values; ++i) keys_.push_back("metric_" + std::to_string(i));
    for (unsigned i = 0; i < options.names; ++i) tags_.push_back("loss_" + std::to_string(i));
    nodes_.resize(1 + 2 * options.values);
  }

  void Open(std::string& body) {
    std::array<ValueNode, 3> map{};
    map[0].kind = ValueKind::kMap;
    map[0].size = options_.receivers == "none" ? 0 : 1;
    map[0].span = map[0].size == 0 ? 1 : 3;
    map[1].kind = ValueKind::kText;
    map[1].text = options_.receivers;
    map[2].kind = ValueKind::kMap;
    SessionOpened opened;
    opened.time = EpochNow();
    opened.job = "load";
    opened.run_name = "load";
    opened.side = "server";
    opened.folder = options_.folder;
    opened.receivers = Value(map.data());
    EncodeEvent(opened, body);
  }

  void Add(uint64_t number, double time, std::string& body) {
    Data data;
    data.time = time;
    data.site = sites_[number % options_.sites];
    data.writer = Writer::kWandb;
    data.step = static_cast<int64_t>(number / options_.sites);
    nodes_[0] = ValueNode();
    if (options_.values == 1) {
      data.type = DataType::kMetric;
      data.tag = tags_[number / options_.sites % options_.names];
      nodes_[0].kind = ValueKind::kFloat;
      nodes_[0].number = 1.0 / static_cast<double>(number + 3);
    } else {
      data.type = DataType::kMetrics;
      data.tag = "metrics";
      nodes_[0].kind = ValueKind::kMap;
      nodes_[0].size = options_.values;
      nodes_[0].span = static_cast<uint32_t>(nodes_.size());
      for (unsigned i = 0; i < options_.values; ++i) {
        ValueNode& key = nodes_[1 + 2 * i];
        key.kind = ValueKind::kText;
        key.text = keys_[i];
        ValueNode& value = nodes_[2 + 2 * i];
        value.kind = ValueKind::kFloat;
        value.number = 1.0 / static_cast<double>(number + i + 3);
      }
    }
    data.value = Value(nodes_.data());
    EncodeEvent(data, body);
  }

  void End(std::string& body) { EncodeEvent(SessionEnded{EpochNow(), 0, ""}, body); }

 private:
  const Options& options_;
  std::vector<std::string> sites_, keys_, tags_;
  Tape nodes_;
};

class Session {
 public:
  explicit Session(const Options& options) : options_(options), events_(options) {
    dealer_.set(zmq::sockopt::linger, 0);
    dealer_.set(zmq::sockopt::sndhwm, 0);
    dealer_.connect(options.endpoint);
  }

  int Run() {
    if (!Greet()) return 1;
    std::string body;
    events_.Open(body);
    Send(body, 1);
    started_ = Clock::now();
    while (!IsOver()) {
      const bool sent = SendDue();
      if (!Read(sent ? milliseconds(0) : milliseconds(1))) return 1;
    }
    if (!options_.keep) {
      body.clear();
      events_.End(body);
      Send(body, 1);
    }
    while (acked_ < sent_) {
      if (!Read(milliseconds(1000))) return 1;
    }
    Report();
    if (!options_.keep) SendHeader(Bye{});
    dealer_.set(zmq::sockopt::linger, 5000);
    return 0;
  }

 private:
  bool Greet() {
    std::string id(32, '0');
    std::snprintf(id.data(), id.size() + 1, "%032llx",
                  static_cast<unsigned long long>(Clock::now().time_since_epoch().count()));
    SendHeader(Hello{kWireVersion, id, "load_generator"});
    return Read(milliseconds(10000)) && credit_ > 0;
  }

  bool IsOver() const {
    if (options_.events > 0) return made_ >= options_.events;
    return Clock::now() - started_ >= duration<double>(options_.seconds);
  }

  uint64_t Due() const {
    const uint64_t left = options_.events > 0 ? options_.events - made_ : kMaxBatchEvents;
    if (options_.rate <= 0) return std::min<uint64_t>(left, kMaxBatchEvents);
    const double passed = duration<double>(Clock::now() - started_).count();
    const auto wanted = static_cast<uint64_t>(passed * options_.rate);
    return wanted > made_ ? std::min({wanted - made_, left, uint64_t{kMaxBatchEvents}}) : 0;
  }

  // One batch, if there is something to send and room for it.
  bool SendDue() {
    constexpr size_t kBatchBytes = size_t{256} << 10;
    uint64_t due = Due();
    if (due == 0 || under_way_ + kBatchBytes > credit_) return false;
    body_.clear();
    const double time = EpochNow();
    uint32_t count = 0;
    for (; due > 0 && body_.size() < kBatchBytes; --due, ++count) events_.Add(made_++, time, body_);
    Send(body_, count);
    return true;
  }

  void SendHeader(const ShimMessage& message) {
    (void)dealer_.send(zmq::buffer(EncodeHeader(message)), zmq::send_flags::none);
  }

  void Send(const std::string& body, uint32_t count) {
    (void)dealer_.send(zmq::buffer(EncodeHeader(Batch{sent_ + 1, count, body})),
                       zmq::send_flags::sndmore);
    (void)dealer_.send(zmq::buffer(body), zmq::send_flags::none);
    sent_ += count;
    under_way_ += body.size();
    waiting_.push_back({sent_, count, body.size(), Clock::now()});
  }

  // Takes what the bridge says. False: it refuses us.
  bool Read(milliseconds patience) {
    zmq::pollitem_t item{dealer_.handle(), 0, ZMQ_POLLIN, 0};
    zmq::poll(&item, 1, patience);
    zmq::message_t message;
    while (dealer_.recv(message, zmq::recv_flags::dontwait)) {
      const auto parsed = ParseBridgeMessage(message.to_string_view());
      if (!parsed) return false;
      if (const auto* welcome = std::get_if<Welcome>(&*parsed)) credit_ = welcome->credit_bytes;
      if (const auto* ack = std::get_if<Ack>(&*parsed)) {
        credit_ = ack->credit_bytes;
        rejected_ = ack->rejected;
        Acknowledge(ack->acked_seq);
      }
      if (const auto* refusal = std::get_if<Refusal>(&*parsed)) {
        std::fprintf(stderr, "refused: %s\n", refusal->text.c_str());
        return false;
      }
    }
    const auto now = Clock::now();
    if (now - pinged_ > milliseconds(1000)) {
      SendHeader(Ping{});
      pinged_ = now;
    }
    return true;
  }

  void Acknowledge(uint64_t seq) {
    acked_ = std::max(acked_, seq);
    last_ack_ = Clock::now();
    while (!waiting_.empty() && waiting_.front().last <= acked_) {
      const Waiting& batch = waiting_.front();
      latencies_.push_back(
          {duration<double, std::milli>(last_ack_ - batch.sent).count(), batch.count});
      under_way_ -= batch.bytes;
      waiting_.pop_front();
    }
  }

  double Percentile(double share) {
    std::sort(latencies_.begin(), latencies_.end());
    uint64_t all = 0, passed = 0;
    for (const auto& [latency, count] : latencies_) all += count;
    for (const auto& [latency, count] : latencies_) {
      passed += count;
      if (static_cast<double>(passed) >= share * static_cast<double>(all)) return latency;
    }
    return 0;
  }

  void Report() {
    const double seconds = duration<double>(last_ack_ - started_).count();
    std::printf(
        "{\"events\": %llu, \"rejected\": %llu, \"seconds\": %.3f, \"events_per_second\": %.0f, "
        "\"ack_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"max\": %.3f}}\n",
        static_cast<unsigned long long>(made_), static_cast<unsigned long long>(rejected_), seconds,
        static_cast<double>(made_) / seconds, Percentile(0.5), Percentile(0.99), Percentile(0.999),
        Percentile(1));
  }

  struct Waiting {
    uint64_t last = 0;
    uint32_t count = 0;
    size_t bytes = 0;
    Clock::time_point sent;
  };

  const Options& options_;
  Events events_;
  zmq::context_t context_;
  zmq::socket_t dealer_{context_, zmq::socket_type::dealer};
  std::string body_;
  std::deque<Waiting> waiting_;
  std::vector<std::pair<double, uint32_t>> latencies_;  // milliseconds, events
  uint64_t made_ = 0, sent_ = 0, acked_ = 0, credit_ = 0, rejected_ = 0;
  size_t under_way_ = 0;
  Clock::time_point started_, last_ack_, pinged_ = Clock::now();
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Logs to a bridge as a shim does, and tells how fast it was acknowledged.");
  app.add_option("endpoint", options.endpoint, "The bridge's, as its --endpoint")->required();
  app.add_option("folder", options.folder, "Absolute; runs are written below it")->required();
  app.add_option("--sites", options.sites, "Each gets a run")->capture_default_str();
  app.add_option("--values", options.values, "Of one event; 1: a METRIC, more: METRICS")
      ->capture_default_str();
  app.add_option("--names", options.names, "Of metrics, of events with one value")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--events", options.events, "In all; 0: until --seconds are over")
      ->capture_default_str();
  app.add_option("--rate", options.rate, "Events a second in all; 0: as many as are taken")
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "How long")->capture_default_str();
  app.add_option("--receiver", options.receivers, "wandb, or none")->capture_default_str();
  app.add_flag("--keep", options.keep, "Leave without ending the session");
  CLI11_PARSE(app, argc, argv);
  return Session(options).Run();
}
