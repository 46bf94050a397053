// Laws of an intake that many jobs share: restarts, guesses, forgetting, and room for all.
#include <doctest/doctest.h>

#include "bridge/intake/intake.h"
#include "tests/unit/bridge/intake/arrivals.h"
#include "tests/unit/bridge/intake/memory_log.h"
#include "tests/unit/bridge/intake/taking.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Encode;
using flarebridge::testing::EventsIn;
using flarebridge::testing::kOther;
using flarebridge::testing::kSession;
using flarebridge::testing::Metric;
using flarebridge::testing::Opening;
using flarebridge::testing::Taking;
using std::chrono::seconds;

int32_t ExitCodeOf(const Intake::Slice& slice) {
  EventDecoder decoder;
  return std::get<RunEnded>(*decoder.Decode(slice.body).event).exit_code;
}

TEST_CASE("an end that was only guessed is put right by the true one, also behind a restart") {
  for (const bool restart : {false, true}) {
    CAPTURE(restart);
    Taking t;
    t.Hello(kSession);
    t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("b", 1)});
    t.Commit();
    t.intake->EndLost({kSession}, "silent", 5);
    const Intake::Committed guessed = t.Commit();
    REQUIRE(guessed.slices.size() == 2);
    CHECK(ExitCodeOf(guessed.slices[0]) == 1);
    if (restart) t.Load();
    t.Hello(kSession);
    // One goes on before its end, the other does not.
    t.Take(kSession, 4, {Metric("a", 2)});
    t.Commit();
    if (restart) t.Load();
    t.Hello(kSession);
    t.Take(kSession, 5, {Encode(SessionEnded{9, 0, ""})});
    const Intake::Committed ended = t.Commit();
    REQUIRE(ended.slices.size() == 2);
    for (const Intake::Slice& slice : ended.slices) {
      CHECK(slice.ends);
      CHECK(ExitCodeOf(slice) == 0);
    }
    // No guess replaces a true end, and no end comes twice.
    t.intake->EndLost({kSession}, "silent", 10);
    CHECK(t.Commit().slices.empty());
    t.Take(kSession, 6, {Encode(SessionEnded{11, 3, ""})});
    CHECK(t.Commit().slices.empty());
  }
}

TEST_CASE("a restart is no silence: who may come back counts as heard of when the log is read") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("a", 1)});
  t.Commit();
  const Intake::Time now = Clock::now();
  t.intake = Intake::Load(*t.journal, t.limits, {now, 1000}).value();
  CHECK(t.intake->SilentSince(now - seconds(1)).empty());
  CHECK(t.intake->SilentSince(now) == std::vector<std::string>{kSession});
}

TEST_CASE("what vanished is forgotten after its silence with all its runs, over restarts") {
  Taking t;
  t.limits.forget_after = seconds(600);
  t.limits.runs = 1;
  t.Load();
  const Intake::Time now = Clock::now();
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("a", 1)});
  const int64_t run = t.Commit().new_runs.at(0).id;
  t.intake->EndLost({kSession}, "silent", 5);
  t.intake->Commit(1000).value();
  CHECK(t.intake->LeaveForSilent(now + seconds(500), seconds(60)).empty());

  // 550 s of the silence are over at the restart; a session may always come back for a minute.
  t.intake = Intake::Load(*t.journal, t.limits, {now, 1550}).value();
  t.intake->Finished(run);
  CHECK(t.intake->LeaveForSilent(now + seconds(40), seconds(60)).empty());
  CHECK(t.intake->LeaveForSilent(now + seconds(70), seconds(60)) ==
        std::vector<std::string>{kSession});
  const Intake::Committed committed = t.Commit();
  CHECK(committed.dropped_sessions == std::vector<std::string>{kSession});
  CHECK(committed.dropped_runs == std::vector<int64_t>{run});
  CHECK(t.journal->Sessions()->empty());
  CHECK(t.journal->Runs()->empty());

  t.intake = Intake::Load(*t.journal, t.limits, {now, 9999}).value();
  t.Hello(kOther);
  t.Take(kOther, 1, {Opening(), Metric("b", 1)});
  CHECK(EventsIn(t.Commit()) == 1);
}

TEST_CASE("a session that comes back in time is not forgotten, nor one that goes on") {
  Taking t;
  t.limits.forget_after = seconds(600);
  t.Load();
  t.Hello(kSession);
  t.Hello(kOther);
  t.Take(kSession, 1, {Opening(), Encode(SessionEnded{9, 0, ""})});
  t.Take(kOther, 1, {Opening()});
  t.Commit();
  const Intake::Time late = Clock::now() + seconds(700);
  CHECK(t.intake->LeaveForSilent(late, seconds(60)) == std::vector<std::string>{kSession});
  CHECK(t.Hello(kSession) == 2);
  CHECK(t.Commit().dropped_sessions.empty());
}

TEST_CASE("a session that has said hello and opened nothing is soon forgotten") {
  Taking t;
  t.limits.forget_after = seconds(600);
  t.Load();
  t.Hello(kSession);
  CHECK(t.intake->LeaveForSilent(Clock::now(), seconds(60)).empty());
  CHECK(t.intake->LeaveForSilent(Clock::now() + seconds(61), seconds(60)).size() == 1);
  t.Commit();
  CHECK_FALSE(t.intake->AnySession());
}

TEST_CASE(
    "what needs a run while others' runs take all the room waits unacknowledged, in its order") {
  Taking t;
  t.limits.runs = 2;
  t.Load();
  t.Hello(kSession);
  t.Hello(kOther);
  t.Take(kSession, 1, {Opening("\x81\xa5wandb\x80", "client"), Metric("a", 1)});
  const Intake::Slice first = t.Commit().slices.at(0);
  t.Take(kOther, 1, {Opening(), Metric("b", 1), Metric("c", 1), Metric("b", 2)});
  t.Take(kOther, 5, {Metric("b", 3)});
  const Intake::Committed held = t.Commit();
  CHECK(held.held == std::vector<std::string>{kOther});
  CHECK(EventsIn(held) == 1);
  CHECK(t.intake->AckOf(kOther).acked_seq == 2);
  CHECK(t.intake->AckOf(kOther).rejected == 0);
  CHECK(t.intake->AckOf(kOther).credit_bytes == 0);
  CHECK(t.intake->AckOf(kSession).credit_bytes > 0);
  CHECK(t.Take(kOther, 6, {Metric("b", 4)})->code == RefusalCode::kGap);

  // The other job is over.
  t.Take(kSession, 3, {Encode(SessionEnded{9, 0, ""})});
  t.Commit();
  t.intake->Bye(kSession);
  t.intake->Finished(first.run);
  CHECK(t.Commit().dropped_runs == std::vector<int64_t>{first.run});
  CHECK(t.Hello(kOther) == 2);
  CHECK(t.intake->AckOf(kOther).credit_bytes > 0);
  CHECK_FALSE(t.Take(kOther, 3, {Metric("c", 1), Metric("b", 2), Metric("b", 3)}));
  CHECK(EventsIn(t.Commit()) == 3);
  CHECK(t.intake->AckOf(kOther).acked_seq == 5);
}

TEST_CASE("a session that is lost while it waits for a run leaves its other runs ended") {
  Taking t;
  t.limits.runs = 2;
  t.Load();
  t.Hello(kSession);
  t.Hello(kOther);
  t.Take(kSession, 1, {Opening("\x81\xa5wandb\x80", "client"), Metric("a", 1)});
  t.Take(kOther, 1, {Opening(), Metric("b", 1)});
  t.Commit();
  t.Take(kOther, 3, {Metric("c", 1)});
  t.intake->EndLost({kOther}, "silent", 5);
  const Intake::Committed committed = t.Commit();
  REQUIRE(committed.slices.size() == 1);
  CHECK(ExitCodeOf(committed.slices[0]) == 1);
}

std::string OpeningOf(std::string_view job) {
  const Document receivers = Document::Parse("\x81\xa5wandb\x80").value();
  return Encode(SessionOpened{1, job, "run", "server", "/tmp", receivers.root()});
}

TEST_CASE("where the journal is shared nobody's undelivered events take the others' room") {
  Taking t;
  t.limits.shares = true;
  t.limits.journal_bytes = 1000;
  t.Load();
  t.Hello(kSession);
  t.Hello(kOther);
  t.Take(kOther, 1, {OpeningOf("other"), Metric("b", 1)});
  t.Take(kSession, 1, {OpeningOf("stuck"), Metric("a", 1)});
  Intake::Committed committed = t.Commit();
  const int64_t stuck = committed.new_runs.at(1).id;
  uint64_t last = 0;
  for (uint64_t seq = 3; t.intake->AckOf(kSession).credit_bytes > 0; ++seq) {
    REQUIRE(seq < 100);
    t.Take(kSession, seq, {Metric("a", 2)});
    committed = t.Commit();
    last = committed.slices.at(0).first_position;
  }
  REQUIRE_FALSE(committed.notices.empty());
  CHECK(committed.notices[0].find("job stuck") != std::string::npos);
  CHECK_FALSE(t.intake->IsFull());
  CHECK(t.intake->FillsMost().find("run of a of job stuck") != std::string::npos);
  CHECK(t.intake->AckOf(kOther).credit_bytes > 0);
  CHECK_FALSE(t.Take(kOther, 3, {Metric("b", 2)}));
  CHECK(EventsIn(t.Commit()) == 1);

  // Also after a restart; and what is delivered counts no more.
  t.Load();
  t.Hello(kSession);
  t.Hello(kOther);
  CHECK(t.intake->AckOf(kSession).credit_bytes == 0);
  CHECK(t.intake->AckOf(kOther).credit_bytes > 0);
  t.intake->Forget(stuck, last);
  t.Commit();
  CHECK(t.intake->AckOf(kSession).credit_bytes > 0);
}

TEST_CASE("ten thousand jobs one after the other, none of which says goodbye, leave nothing") {
  flarebridge::testing::MemoryLog log;
  Intake::Limits limits;
  limits.forget_after = seconds(600);
  const std::unique_ptr<Intake> intake = Intake::Load(log, limits).value();
  Intake::Time now = Clock::now();
  for (uint64_t job = 0; job < 10000; ++job) {
    now += seconds(60);
    std::string session = std::to_string(job);
    session.insert(0, 32 - session.size(), '0');
    REQUIRE(intake->Hello({kWireVersion, session, "test"}, "", now).has_value());
    const std::string body = OpeningOf("job " + session) + Metric("a", 1);
    REQUIRE_FALSE(intake->Take(session, {1, 2, body}, now));
    const Intake::Committed stored = intake->Commit().value();
    const Intake::Slice& slice = stored.slices.at(0);
    intake->EndLost({session}, "silent", 5);
    const Intake::Slice end = intake->Commit().value().slices.at(0);
    intake->Forget(slice.run, end.first_position);
    intake->Finished(slice.run);
    intake->LeaveForSilent(now, seconds(60));
    intake->Commit().value();
    log.tried.clear();
    REQUIRE(log.Sessions()->size() <= 11);
    REQUIRE(log.Runs()->size() <= 11);
    REQUIRE(log.Feeds()->size() <= 11);
    REQUIRE(log.stored_bytes() == 0);
  }
}

}  // namespace
}  // namespace flarebridge
