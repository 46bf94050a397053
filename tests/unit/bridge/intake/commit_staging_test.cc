// Laws of what becomes a commit, as a value and with no journal; and of an intake whose journal
// fails.
#include "bridge/intake/commit_staging.h"

#include <doctest/doctest.h>

#include "bridge/intake/intake.h"
#include "tests/unit/bridge/intake/arrivals.h"
#include "tests/unit/bridge/intake/memory_log.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Encode;
using flarebridge::testing::kOther;
using flarebridge::testing::kSession;
using flarebridge::testing::MemoryLog;
using flarebridge::testing::Metric;
using flarebridge::testing::Opening;
using flarebridge::testing::OpeningOf;

constexpr Sessions::Time kNow{std::chrono::seconds(100)};

class Staging {
 public:
  void Take(const std::string& session, uint64_t first, const std::vector<std::string>& events) {
    if (!sessions.all().contains(session))
      REQUIRE(sessions.Hello({kWireVersion, session, "test"}, "", true, kNow).has_value());
    std::string body;
    for (const std::string& event : events) body += event;
    REQUIRE_FALSE(
        sessions.Take(session, {first, static_cast<uint32_t>(events.size()), body}, kNow));
  }
  StagedCommit Stage(const std::set<int64_t>& finished = {}) {
    CommitStaging staging({sessions, runs, router, decoder, limits, surroundings});
    for (const Sessions::Arrival& arrival : sessions.arrivals()) staging.Add(arrival);
    staging.DropWhatIsOver(finished);
    return staging.Finish();
  }
  // As if the commit had become durable, with these ids for its new runs.
  void Carry(const StagedCommit& staged, const std::vector<int64_t>& ids) {
    const auto id_of = [&ids](int64_t run) {
      return IsNewRun(run) ? ids.at(IndexOfNewRun(run)) : run;
    };
    sessions.ClearArrivals();
    for (const auto& [id, state] : staged.sessions) sessions.Stored(id, state);
    for (size_t i = 0; i < staged.new_runs.size(); ++i) {
      runs[ids.at(i)] = staged.new_runs[i];
      router.Add(staged.new_runs[i].scope, staged.new_runs[i].site, ids.at(i));
    }
    for (const JournalCommit::Slice& slice : staged.commit.slices)
      runs[id_of(slice.run)].ended = slice.ends;
    for (const auto& [run, end] : staged.said) runs[id_of(run)].said = end;
    for (const StoredFeed& feed : staged.commit.feeds)
      sessions.Feeds(feed.session, id_of(feed.run));
  }

  IntakeLimits limits;
  Sessions sessions{limits};
  RoutedRuns runs;
  Router router;
  EventDecoder decoder;
  OpenedSession::Surroundings surroundings{"journal", "/clients"};
};

TEST_CASE("a commit holds the sessions, the runs, who feeds them, and their events in order") {
  Staging t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("b", 1), Metric("a", 2)});
  const JournalCommit commit = t.Stage().commit;
  REQUIRE(commit.new_runs.size() == 2);
  CHECK(commit.new_runs[0].site == "a");
  CHECK(commit.new_runs[0].opened == Opening());
  CHECK(commit.new_runs[0].started == 2);
  CHECK(commit.new_runs[1].site == "b");
  REQUIRE(commit.slices.size() == 2);
  CHECK(commit.slices[0].run == NewRunAt(0));
  CHECK(commit.slices[0].count == 2);
  CHECK(commit.slices[0].body == Metric("a", 1) + Metric("a", 2));
  CHECK_FALSE(commit.slices[0].ends);
  CHECK(commit.slices[1].run == NewRunAt(1));
  REQUIRE(commit.feeds.size() == 2);
  CHECK(commit.feeds[0].session == kSession);
  CHECK(commit.feeds[0].run == NewRunAt(0));
  REQUIRE(commit.sessions.size() == 1);
  CHECK(commit.sessions[0].id == kSession);
  CHECK(commit.sessions[0].last_seq == 4);
  CHECK(commit.sessions[0].rejected == 0);
  CHECK(commit.sessions[0].open);
  CHECK(commit.sessions[0].opened == Opening());
  CHECK(commit.dropped_sessions.empty());
  CHECK(commit.dropped_runs.empty());
}

TEST_CASE("staging changes nothing: the same arrivals give the same commit again") {
  Staging t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Encode(SessionEnded{9, 0, ""})});
  const StagedCommit first = t.Stage();
  CHECK(t.sessions.all().at(kSession).stored.last_seq == 0);
  CHECK(t.sessions.arrivals().size() == 1);
  const StagedCommit second = t.Stage();
  REQUIRE(second.commit.slices.size() == first.commit.slices.size());
  CHECK(second.commit.slices[0].body == first.commit.slices[0].body);
  CHECK(second.commit.new_runs.size() == 1);
  CHECK(second.commit.sessions[0].last_seq == 3);
}

TEST_CASE("an opening is in commits until one of them is durable, and in none behind it") {
  Staging t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1)});
  CHECK(t.Stage().commit.sessions[0].opened == Opening());
  const StagedCommit again = t.Stage();
  CHECK(again.commit.sessions[0].opened == Opening());
  t.Carry(again, {7});
  t.Take(kSession, 3, {Metric("a", 2)});
  CHECK(t.Stage().commit.sessions[0].opened.empty());
}

TEST_CASE("runs that are known are named by their ids, and fed anew only by who did not before") {
  Staging t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1)});
  t.Carry(t.Stage(), {7});
  t.Take(kSession, 3, {Metric("a", 2)});
  t.Take(kOther, 1, {Opening(), Metric("a", 3), Metric("a", 4)});
  const JournalCommit commit = t.Stage().commit;
  CHECK(commit.new_runs.empty());
  REQUIRE(commit.slices.size() == 1);
  CHECK(commit.slices[0].run == 7);
  CHECK(commit.slices[0].count == 3);
  REQUIRE(commit.feeds.size() == 1);
  CHECK(commit.feeds[0].session == kOther);
  CHECK(commit.feeds[0].run == 7);
}

TEST_CASE("a run's events beyond a slice's size are in further slices, the last of which ends it") {
  Staging t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1)});
  t.Carry(t.Stage(), {1});
  const std::string text(200'000, 'x');
  ValueNode node;
  node.kind = ValueKind::kText;
  node.text = text;
  Data data;
  data.time = 2;
  data.site = "a";
  data.type = DataType::kText;
  data.tag = "words";
  data.value = Value(&node);
  t.Take(kSession, 3,
         {Encode(data), Metric("a", 2), Encode(data), Encode(RunEnded{3, "a", 0, ""})});
  const std::vector<JournalCommit::Slice> slices = t.Stage().commit.slices;
  REQUIRE(slices.size() == 2);
  CHECK(slices[0].count == 2);
  CHECK_FALSE(slices[0].ends);
  CHECK(slices[1].count == 2);
  CHECK(slices[1].ends);
}

TEST_CASE("each event stands for itself: what breaks a rule is counted, with a few reasons") {
  Staging t;
  std::vector<std::string> events = {Opening()};
  for (int i = 0; i < 9; ++i) events.insert(events.end(), {"\x91\x63", Metric("a", i)});
  t.Take(kSession, 1, events);
  const StagedCommit staged = t.Stage();
  CHECK(staged.commit.slices.at(0).count == 9);
  CHECK(staged.commit.sessions.at(0).rejected == 9);
  CHECK(staged.commit.sessions.at(0).last_seq == 19);
  CHECK(staged.notices.size() == 4);
}

TEST_CASE("an end takes what others feed as still going on, and nothing twice") {
  Staging t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("b", 1)});
  t.Take(kOther, 1, {Opening(), Metric("b", 2)});
  t.Carry(t.Stage(), {1, 2});
  t.sessions.EndLost({kSession}, "gone", 5);
  t.sessions.EndLost({kSession}, "gone again", 6);
  const StagedCommit staged = t.Stage();
  REQUIRE(staged.commit.slices.size() == 1);
  CHECK(staged.commit.slices[0].run == 1);
  CHECK(staged.commit.slices[0].body == Encode(RunEnded{5, "a", 1, "gone"}));
  CHECK_FALSE(staged.sessions.at(kSession).open);
}

TEST_CASE("how a run ends is not a secondary session's to say, while another has said it") {
  const std::string third(32, 'c');
  Staging t;
  t.Take(kSession, 1, {OpeningOf(1, false), Metric("a", 1)});
  t.Take(kOther, 1, {OpeningOf(2, true), Metric("a", 1)});
  t.Take(third, 1, {OpeningOf(3, true), Metric("a", 1)});
  t.Carry(t.Stage(), {1});
  t.Take(kSession, 3, {Encode(SessionEnded{8, 3, "its word"})});
  StagedCommit staged = t.Stage();
  CHECK(staged.commit.slices.empty());  // others go on
  t.Carry(staged, {});
  t.Take(kOther, 3, {Metric("a", 2), Encode(SessionEnded{9, 0, ""})});
  t.Carry(t.Stage(), {});
  t.sessions.EndLost({third}, "killed", 10);
  staged = t.Stage();
  REQUIRE(staged.commit.slices.size() == 1);
  CHECK(staged.commit.slices[0].body == Encode(RunEnded{10, "a", 3, "its word"}));
}

TEST_CASE("of sessions that are all secondary the last one's end is the run's") {
  Staging t;
  t.Take(kSession, 1, {OpeningOf(1, true), Metric("a", 1)});
  t.Take(kOther, 1, {OpeningOf(2, true), Metric("a", 1)});
  t.Carry(t.Stage(), {1});
  t.Take(kSession, 3, {Encode(SessionEnded{8, 3, "first"})});
  t.Carry(t.Stage(), {});
  t.Take(kOther, 3, {Encode(SessionEnded{9, 0, "last"})});
  const StagedCommit staged = t.Stage();
  REQUIRE(staged.commit.slices.size() == 1);
  CHECK(staged.commit.slices[0].body == Encode(RunEnded{9, "a", 0, "last"}));
}

TEST_CASE("a session's process is known while it is open") {
  Staging t;
  t.Take(kSession, 1, {OpeningOf(17, true), Metric("a", 1)});
  t.Take(kOther, 1, {Opening(), Metric("a", 1)});
  CHECK(t.sessions.Processes().empty());  // nothing is stored yet
  t.Carry(t.Stage(), {1});
  CHECK(t.sessions.Processes() == std::map<std::string, pid_t>{{kSession, 17}});
  t.Take(kSession, 3, {Encode(SessionEnded{8, 0, ""})});
  t.Carry(t.Stage(), {});
  CHECK(t.sessions.Processes().empty());
}

TEST_CASE("what is over is dropped, but a run that goes on or that a session feeds is not") {
  Staging t;
  const std::string end = Encode(SessionEnded{9, 0, ""});
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("b", 1), end});
  t.Carry(t.Stage(), {1, 2});
  CHECK(t.Stage({1}).commit.dropped_runs.empty());  // its session may come back
  t.sessions.Bye(kSession);
  t.Take(kOther, 1, {Opening(), Metric("b", 2)});
  const JournalCommit commit = t.Stage({1, 2}).commit;
  CHECK(commit.dropped_sessions == std::vector<std::string>{kSession});
  CHECK(commit.dropped_runs == std::vector<int64_t>{1});
}

// --- an intake whose journal fails ---

class Failing {
 public:
  Failing() {
    REQUIRE(intake->Hello({kWireVersion, kSession, "test"}, "", kNow).has_value());
    Take(1, {Opening(), Metric("a", 1)});
  }
  void Take(uint64_t first, const std::vector<std::string>& events) const {
    std::string body;
    for (const std::string& event : events) body += event;
    REQUIRE_FALSE(
        intake->Take(kSession, {first, static_cast<uint32_t>(events.size()), body}, kNow));
  }

  MemoryLog log;
  Intake::Limits limits;
  std::unique_ptr<Intake> intake = Intake::Load(log, limits).value();
};

TEST_CASE("a failed commit changes nothing, gives no credit, and is tried again as it was") {
  Failing t;
  t.log.failing = true;
  const Expected<Intake::Committed> failed = t.intake->Commit();
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message == "the disk is full");
  CHECK(t.intake->blocked());
  CHECK(t.intake->AckOf(kSession).acked_seq == 0);
  CHECK(t.intake->AckOf(kSession).credit_bytes == 0);
  CHECK(t.intake->HasEvents());
  CHECK(t.intake->KnownRuns().empty());
  CHECK(t.intake->SessionsOf(1).empty());

  t.log.failing = false;
  const Intake::Committed committed = t.intake->Commit().value();
  REQUIRE(t.log.tried.size() == 2);
  CHECK(t.log.tried[0].slices.at(0).body == t.log.tried[1].slices.at(0).body);
  CHECK(t.log.tried[1].new_runs.size() == 1);
  REQUIRE(committed.new_runs.size() == 1);
  CHECK(committed.slices.at(0).run == committed.new_runs[0].id);
  CHECK(committed.slices[0].first_position == 1);
  CHECK_FALSE(t.intake->blocked());
  CHECK(t.intake->AckOf(kSession).acked_seq == 2);
  CHECK(t.intake->AckOf(kSession).credit_bytes > 0);
  CHECK_FALSE(t.intake->HasEvents());
}

TEST_CASE("what arrives while commits fail is stored with what waited, in its order") {
  Failing t;
  t.log.failing = true;
  REQUIRE_FALSE(t.intake->Commit().has_value());
  t.Take(3, {Metric("a", 2), Encode(SessionEnded{9, 0, ""})});
  REQUIRE_FALSE(t.intake->Commit().has_value());
  t.log.failing = false;
  const Intake::Committed committed = t.intake->Commit().value();
  REQUIRE(committed.slices.size() == 1);
  CHECK(committed.slices[0].body ==
        Metric("a", 1) + Metric("a", 2) + Encode(RunEnded{9, "a", 0, ""}));
  CHECK(t.intake->AllEnded());
}

TEST_CASE("an end, a goodbye and a drop that could not be stored happen with the next commit") {
  Failing t;
  const int64_t run = t.intake->Commit().value().new_runs.at(0).id;
  t.log.failing = true;
  t.intake->Bye(kSession);
  t.intake->EndLost({kSession}, "gone", 5);
  REQUIRE_FALSE(t.intake->Commit().has_value());
  CHECK_FALSE(t.intake->AllEnded());
  t.log.failing = false;
  CHECK(t.intake->Commit().value().slices.at(0).ends);
  t.intake->Forget(run, 2);
  t.intake->Finished(run);
  t.log.failing = true;
  REQUIRE_FALSE(t.intake->Commit().has_value());
  CHECK(t.intake->AnySession());
  CHECK(t.intake->KnownRuns().size() == 1);
  t.log.failing = false;
  CHECK(t.intake->Commit().value().dropped_runs == std::vector<int64_t>{run});
  CHECK_FALSE(t.intake->AnySession());
  CHECK(t.log.stored_bytes() == 0);
}

TEST_CASE("in a full journal what receivers have is forgotten first, for what waits") {
  Failing t;
  t.limits.journal_bytes = 40;
  t.intake = Intake::Load(t.log, t.limits).value();
  REQUIRE(t.intake->Hello({kWireVersion, kSession, "test"}, "", kNow).has_value());
  t.Take(1, {Opening(), Metric("a", 1), Metric("a", 2)});
  const Intake::Slice slice = t.intake->Commit().value().slices.at(0);
  REQUIRE(t.intake->IsFull());
  t.Take(4, {Metric("a", 3)});
  CHECK(t.intake->Commit().value().slices.empty());
  CHECK(t.intake->HasEvents());
  t.intake->Forget(slice.run, slice.first_position + slice.count - 1);
  CHECK(t.intake->Commit().value().slices.size() == 1);
  CHECK_FALSE(t.intake->HasEvents());
}

TEST_CASE("after a restart everything goes on as the journal remembers it") {
  Failing t;
  t.Take(3, {Metric("b", 1), Encode(SessionEnded{9, 0, ""})});
  REQUIRE(t.intake->Commit().has_value());
  t.intake = Intake::Load(t.log, t.limits).value();
  const std::vector<Intake::RunInfo> runs = t.intake->KnownRuns();
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].spec.site == "a");
  CHECK(runs[0].spec.journal == "memory");
  CHECK(runs[0].spec.folder == "/tmp");
  CHECK(runs[0].ended);
  CHECK(t.intake->SessionsOf(runs[1].id) == std::vector<std::string>{kSession});
  CHECK(t.intake->AllEnded());
  CHECK(t.intake->Hello({kWireVersion, kSession, "test"}, "", kNow).value().acked_seq == 4);
}

}  // namespace
}  // namespace flarebridge
