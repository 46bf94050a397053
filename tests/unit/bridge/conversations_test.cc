// Shims that speak through a link in memory, with an intake on a journal in memory.
#include "bridge/conversations.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <deque>
#include <sstream>
#include <variant>

#include "tests/unit/bridge/intake/arrivals.h"
#include "tests/unit/bridge/intake/memory_log.h"

namespace flarebridge {
namespace {

using namespace flarebridge::testing;
using std::chrono::seconds;

// What was said, and to whom; what is to come.
class MemoryLink : public Link {
 public:
  struct Wire {
    std::deque<Incoming> coming;
    std::vector<std::pair<Peer, BridgeMessage>> sent;
    uint64_t refused = 0;
  };
  explicit MemoryLink(Wire& wire) : wire_(wire) {}
  int fd() const override { return -1; }
  bool HasInput() const override { return !wire_.coming.empty(); }
  bool Receive(const std::function<void(const Incoming&)>& handle) override {
    if (wire_.coming.empty()) return false;
    const Incoming next = std::move(wire_.coming.front());
    wire_.coming.pop_front();
    handle(next);
    return true;
  }
  uint64_t refused() const override { return wire_.refused; }
  bool Send(const Peer& peer, const BridgeMessage& message) override {
    wire_.sent.emplace_back(peer, message);
    return true;
  }

 private:
  Wire& wire_;
};

class World {
 public:
  World()
      : intake_(Intake::Load(log_, Intake::Limits()).value()),
        conversations_(std::make_unique<MemoryLink>(wire), *intake_,
                       std::make_shared<spdlog::logger>(
                           "test", std::make_shared<spdlog::sinks::ostream_sink_st>(words_)),
                       [this](Sessions::Time) { ++byes; }) {}

  // A peer says something, with the key of a client; gives what was sent then.
  const std::vector<std::pair<Link::Peer, BridgeMessage>>& Say(const Link::Peer& peer,
                                                               const ShimMessage& message,
                                                               const std::string& client = "") {
    wire.coming.push_back({peer, client, message});
    return Turn();
  }
  const std::vector<std::pair<Link::Peer, BridgeMessage>>& SayNonsense(const Link::Peer& peer) {
    wire.coming.push_back({peer, "", Fail(ErrorCode::kMalformed, "nonsense\n\x1b[31m")});
    return Turn();
  }
  const std::vector<std::pair<Link::Peer, BridgeMessage>>& Turn() {
    wire.sent.clear();
    conversations_.ReceiveAll(size_t{4} << 20, now);
    return wire.sent;
  }
  ShimMessage HelloOf(const std::string& session) { return Hello{kWireVersion, session, "test"}; }
  void Store() { committed = intake_->Commit().value(); }
  // Lines of the log that hold the words.
  size_t Lines(const std::string& words) const {
    std::istringstream lines(words_.str());
    size_t found = 0;
    for (std::string line; std::getline(lines, line);)
      if (line.find(words) != std::string::npos) ++found;
    return found;
  }

  MemoryLink::Wire wire;
  Sessions::Time now{std::chrono::hours(1)};
  int byes = 0;
  Intake::Committed committed;
  Conversations& conversations() { return conversations_; }
  Intake& intake() { return *intake_; }

 private:
  MemoryLog log_;
  std::unique_ptr<Intake> intake_;
  std::ostringstream words_;
  Conversations conversations_;
};

RefusalCode CodeOf(const BridgeMessage& message) {
  REQUIRE(std::holds_alternative<Refusal>(message));
  return std::get<Refusal>(message).code;
}

TEST_CASE("who has not said hello is asked to") {
  World world;
  CHECK(CodeOf(world.Say("peer", Ping{}).at(0).second) == RefusalCode::kUnknownSession);
  CHECK_FALSE(world.conversations().served());
  const auto& sent = world.Say("peer", world.HelloOf(kSession));
  CHECK(std::holds_alternative<Welcome>(sent.at(0).second));
  CHECK(world.conversations().served());
  CHECK(std::holds_alternative<Ack>(world.Say("peer", Ping{}).at(0).second));
}

TEST_CASE("each message of a session comes with the key that said hello, or is refused") {
  World world;
  world.Say("peer", world.HelloOf(kSession), "ann");
  const std::string opening = Opening();
  for (const ShimMessage& message : std::vector<ShimMessage>{Batch{1, 1, opening}, Ping{}, Bye{}}) {
    const auto& sent = world.Say("peer", message, "bob");
    REQUIRE(sent.size() == 1);
    CHECK(CodeOf(sent[0].second) == RefusalCode::kForbidden);
  }
  CHECK(world.byes == 0);
  CHECK(world.Say("peer", Batch{1, 1, opening}, "ann").empty());
  world.Store();
  CHECK(world.committed.sessions == std::vector<std::string>{kSession});
}

TEST_CASE("a session is told where it spoke last, and nobody is where it has left") {
  World world;
  world.Say("before", world.HelloOf(kSession));
  world.Say("after", world.HelloOf(kSession));
  world.wire.sent.clear();
  world.conversations().Tell(kSession, Ack{});
  REQUIRE(world.wire.sent.size() == 1);
  CHECK(world.wire.sent[0].first == "after");
  // The connection that it had is nobody's.
  CHECK(CodeOf(world.Say("before", Ping{}).at(0).second) == RefusalCode::kUnknownSession);

  world.Say("after", Bye{});
  CHECK(world.byes == 1);
  world.wire.sent.clear();
  world.conversations().Tell(kSession, Ack{});
  world.conversations().TellAll({NoticeLevel::kInfo, "words"});
  CHECK(world.wire.sent.empty());
}

TEST_CASE("what a forgotten session's connection says is asked for anew") {
  World world;
  world.Say("peer", world.HelloOf(kSession));
  world.conversations().Forget(kSession);
  CHECK(CodeOf(world.Say("peer", Ping{}).at(0).second) == RefusalCode::kUnknownSession);
  // Forgetting a session whose connection has another one by now leaves that alone.
  world.Say("peer", world.HelloOf(kSession));
  world.Say("peer", world.HelloOf(kOther));
  world.conversations().Forget(kSession);
  CHECK(std::holds_alternative<Ack>(world.Say("peer", Ping{}).at(0).second));
}

TEST_CASE("a notice of a run goes to the sessions that feed it, a general one to all") {
  World world;
  world.Say("one", world.HelloOf(kSession));
  world.Say("two", world.HelloOf(kOther));
  const std::string events = Opening() + Metric("site-1", 1);
  world.Say("one", Batch{1, 2, events});
  world.Store();
  REQUIRE(world.committed.new_runs.size() == 1);
  world.wire.sent.clear();
  world.conversations().AnnounceOfRun(world.committed.new_runs[0].id, NoticeLevel::kError, "full");
  REQUIRE(world.wire.sent.size() == 1);
  CHECK(world.wire.sent[0].first == "one");
  CHECK(std::get<Notice>(world.wire.sent[0].second).text == "run of site-1: full");
  world.conversations().Announce({NoticeLevel::kError, "all"});
  CHECK(world.wire.sent.size() == 3);
}

// Two sessions feed one run, and the second one another besides; gives the runs' ids.
std::pair<int64_t, int64_t> FeedTwoRuns(World& world) {
  world.Say("one", world.HelloOf(kSession));
  world.Say("two", world.HelloOf(kOther));
  const std::string events = Opening() + Metric("site-1", 1);
  const std::string both = events + Metric("site-2", 1);
  world.Say("one", Batch{1, 2, events});
  world.Say("two", Batch{1, 3, both});
  world.Store();
  REQUIRE(world.committed.new_runs.size() == 2);
  world.wire.sent.clear();
  const auto& runs = world.committed.new_runs;
  const bool in_order = runs[0].spec.site == "site-1";
  return {runs[in_order ? 0 : 1].id, runs[in_order ? 1 : 0].id};
}

TEST_CASE("that a run was asked to stop is told once, to all sessions that feed it and no other") {
  World world;
  const auto [shared, alone] = FeedTwoRuns(world);
  world.conversations().AnnounceStop(alone, "asked to stop there");
  REQUIRE(world.wire.sent.size() == 1);
  CHECK(world.wire.sent[0].first == "two");
  const auto& notice = std::get<Notice>(world.wire.sent[0].second);
  CHECK(notice.text == "the run of site-2 was asked to stop there");
  CHECK(notice.level == NoticeLevel::kWarning);
  CHECK(notice.kind == NoticeKind::kStop);
  world.conversations().AnnounceStop(shared, "asked to stop there");
  CHECK(world.wire.sent.size() == 3);
  world.conversations().AnnounceStop(shared, "asked to stop there");
  CHECK(world.wire.sent.size() == 3);
  CHECK(world.Lines("was asked to stop there") == 2);
}

TEST_CASE("a session that comes again hears what its runs were asked, until they are over") {
  World world;
  const auto [shared, alone] = FeedTwoRuns(world);
  world.conversations().AnnounceStop(alone, "asked to stop there");
  const auto notices = [&](const std::string& peer, const std::string& session) {
    size_t found = 0;
    for (const auto& [to, message] : world.Say(peer, world.HelloOf(session)))
      found += to == peer && std::holds_alternative<Notice>(message) ? 1U : 0U;
    return found;
  };
  CHECK(notices("again", kOther) == 1);
  CHECK(notices("one", kSession) == 0);
  CHECK(world.Lines("was asked to stop there") == 1);
  world.conversations().ForgetRun(alone);
  CHECK(notices("again", kOther) == 0);
}

TEST_CASE("refused messages are a line in ten seconds, with their number") {
  World world;
  for (int i = 0; i < 100; ++i)
    CHECK(CodeOf(world.SayNonsense("peer").at(0).second) == RefusalCode::kMalformed);
  CHECK(world.Lines("a message was refused") == 1);
  world.now += seconds(10);
  world.SayNonsense("peer");
  CHECK(world.Lines("a message was refused") == 2);
  CHECK(world.Lines("(the last of 100)") == 1);
}

TEST_CASE("connections that are turned away are told once a minute, with their number") {
  World world;
  world.wire.refused = 3;
  world.Turn();
  world.wire.refused = 5;
  world.Turn();
  CHECK(world.Lines("turned away") == 1);
  world.now += seconds(60);
  world.Turn();
  CHECK(world.Lines("3 connections were turned away") == 1);
  CHECK(world.Lines("2 connections were turned away") == 1);
}

TEST_CASE("what is to be sent again is asked for in words and by a refusal that is not final") {
  World world;
  world.Say("peer", world.HelloOf(kSession));
  world.wire.sent.clear();
  world.conversations().SendAgain(kSession);
  REQUIRE(world.wire.sent.size() == 2);
  CHECK(std::holds_alternative<Notice>(world.wire.sent[0].second));
  CHECK(CodeOf(world.wire.sent[1].second) == RefusalCode::kGap);
}

TEST_CASE("without a link nobody is heard, and notices are in the log") {
  MemoryLog log;
  const auto intake = Intake::Load(log, Intake::Limits()).value();
  std::ostringstream words;
  Conversations conversations(nullptr, *intake,
                              std::make_shared<spdlog::logger>(
                                  "test", std::make_shared<spdlog::sinks::ostream_sink_st>(words)),
                              [](Sessions::Time) {});
  CHECK_FALSE(conversations.HasInput());
  CHECK_FALSE(conversations.ReceiveAll(1, {}));
  conversations.Announce({NoticeLevel::kError, "told"});
  CHECK(words.str().find("told") != std::string::npos);
}

}  // namespace
}  // namespace flarebridge
