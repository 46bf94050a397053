#include "bridge/intake/intake.h"

#include <doctest/doctest.h>

#include "bridge/journal/journal.h"
#include "receivers/receiver.h"
#include "tests/unit/bridge/intake/arrivals.h"
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

TEST_CASE("nothing is acknowledged before it is stored") {
  Taking t;
  CHECK(t.Hello(kSession) == 0);
  CHECK_FALSE(t.Take(kSession, 1, {Opening(), Metric("site-1", 1)}).has_value());
  CHECK(t.intake->AckOf(kSession).acked_seq == 0);
  t.Commit();
  CHECK(t.intake->AckOf(kSession).acked_seq == 2);
}

TEST_CASE("a session that has ended is told what is not in its runs yet, and an open one is not") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1), Metric("site-2", 1), Metric("site-1", 2)});
  const Intake::Committed first = t.Commit();
  CHECK_FALSE(t.intake->AckOf(kSession).unwritten.has_value());
  t.Take(kSession, 5, {Encode(SessionEnded{2, 0, ""})});
  const Intake::Committed last = t.Commit();
  REQUIRE(first.slices.size() == 2);
  REQUIRE(last.slices.size() == 2);  // the runs' ends
  CHECK(t.intake->AckOf(kSession).unwritten == 5);
  for (const Intake::Slice& slice : first.slices)
    t.intake->Forget(slice.run, slice.first_position + slice.count - 1);
  CHECK(t.intake->AckOf(kSession).unwritten == 2);
  for (const Intake::Slice& slice : last.slices)
    t.intake->Forget(slice.run, slice.first_position + slice.count - 1);
  CHECK(t.intake->AckOf(kSession).unwritten == 0);
}

TEST_CASE("a bridge that was started anew tells what earlier ones left") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1), Encode(SessionEnded{2, 0, ""})});
  const Intake::Committed committed = t.Commit();
  REQUIRE(committed.slices.size() == 1);
  t.Load();
  CHECK(t.intake->AckOf(kSession).unwritten == 0);  // until the journal was looked at
  const Intake::Slice& slice = committed.slices.front();
  t.intake->HasUnwritten(slice.run, slice.first_position);
  CHECK(t.intake->AckOf(kSession).unwritten == slice.count);
  t.intake->Forget(slice.run, slice.first_position + slice.count - 1);
  CHECK(t.intake->AckOf(kSession).unwritten == 0);
}

TEST_CASE("an event that is sent again is stored once, also by a bridge that was started anew") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1), Metric("site-1", 2)});
  CHECK(EventsIn(t.Commit()) == 2);
  t.Take(kSession, 2, {Metric("site-1", 1), Metric("site-1", 2), Metric("site-1", 3)});
  CHECK(EventsIn(t.Commit()) == 1);
  t.Load();
  CHECK(t.Hello(kSession) == 4);
  t.Take(kSession, 3, {Metric("site-1", 2), Metric("site-1", 3), Metric("site-1", 4)});
  CHECK(EventsIn(t.Commit()) == 1);
}

// An event of the site with a list of that many zeros.
std::string Wide(std::string_view site, uint32_t zeros) {
  std::string list;
  EncodeListHeader(zeros, list);
  list.append(zeros, '\0');
  // Its value is made of bytes, for no tape holds so many.
  std::string bytes = Metric(site, 1);
  const std::string half = bytes.substr(bytes.size() - 10, 9);
  REQUIRE(half[0] == '\xcb');
  bytes.replace(bytes.size() - 10, 9, list);
  return bytes;
}

TEST_CASE("an event beyond a limit takes neither its batch nor another site nor the end with it") {
  for (const uint32_t zeros : {70000U, 1100000U}) {  // too many values; too many bytes
    CAPTURE(zeros);
    Taking t;
    t.Hello(kSession);
    t.Take(kSession, 1,
           {Opening(), Metric("site-1", 1), Wide("site-1", zeros), Metric("site-1", 2),
            Metric("site-2", 1), Encode(SessionEnded{3, 0, ""})});
    const Intake::Committed committed = t.Commit();
    // Three metrics, and the two runs' ends.
    CHECK(EventsIn(committed) == 5);
    CHECK(t.intake->AckOf(kSession).acked_seq == 6);
    CHECK(t.intake->AckOf(kSession).rejected == 1);
    REQUIRE(committed.notices.size() == 1);
  }
}

TEST_CASE("other arguments are the session's and its runs' from now on, also after a restart") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1), Metric("site-2", 1)});
  REQUIRE(t.Commit().new_runs.size() == 2);
  t.Load();
  ArgumentChanges changes;
  REQUIRE(changes.Add("wandb.project=another").has_value());
  CHECK(t.intake->ChangeArguments(changes).value() == 2);
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    if (restarted) t.Load();
    const std::vector<Intake::RunInfo> runs = t.intake->KnownRuns();
    REQUIRE(runs.size() == 2);
    for (const Intake::RunInfo& run : runs) {
      const Value arguments = run.spec.receivers.root().Find("wandb").value();
      CHECK(arguments.Find("project").value().AsText() == "another");
    }
  }
  // A site that comes now has them, too.
  t.Hello(kSession);
  t.Take(kSession, 4, {Metric("site-3", 1)});
  const Intake::Committed committed = t.Commit();
  REQUIRE(committed.new_runs.size() == 1);
  const Value arguments = committed.new_runs[0].spec.receivers.root().Find("wandb").value();
  CHECK(arguments.Find("project").value().AsText() == "another");
}

TEST_CASE("other arguments that make no sense either change nothing") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1)});
  t.Commit();
  t.Load();
  for (const char* typed : {"wandb.project=a/b", "jsonl.dir=/tmp"}) {
    ArgumentChanges changes;
    REQUIRE(changes.Add(typed).has_value());
    CHECK(t.intake->ChangeArguments(changes).error().code == ErrorCode::kConfig);
  }
  t.Load();
  const Document receivers = t.intake->KnownRuns().at(0).spec.receivers;
  CHECK_FALSE(receivers.root().Find("jsonl").has_value());
}

TEST_CASE("a gap and an unknown session are refused") {
  Taking t;
  CHECK(t.Take(kSession, 1, {Opening()})->code == RefusalCode::kUnknownSession);
  t.Hello(kSession);
  CHECK(t.Take(kSession, 2, {Opening()})->code == RefusalCode::kGap);
}

TEST_CASE("two keys' jobs of one name are two, and write where the bridge says") {
  Taking t;
  t.limits.clients_folder = "/state/runs";
  t.Load();
  t.Hello(kSession, "ann");
  t.Hello(kOther, "bob");
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1)});
  t.Take(kOther, 1, {Opening(), Metric("site-1", 2)});
  const Intake::Committed committed = t.Commit();
  REQUIRE(committed.new_runs.size() == 2);
  CHECK(committed.new_runs[0].spec.folder == "/state/runs/ann");
  CHECK(committed.new_runs[1].spec.folder == "/state/runs/bob");
  CHECK(committed.new_runs[0].spec.owner == "ann");

  // Also after a restart.
  t.Load();
  for (const Intake::RunInfo& run : t.intake->KnownRuns())
    CHECK(run.spec.folder == "/state/runs/" + run.spec.owner);
  const Expected<Welcome> stolen =
      t.intake->Hello({kWireVersion, kSession, "test"}, "bob", Clock::now());
  REQUIRE_FALSE(stolen.has_value());
  CHECK(stolen.error().code == ErrorCode::kForbidden);
  CHECK(t.Hello(kSession, "ann") == 2);
}

TEST_CASE("a client with a key can't choose a folder") {
  Taking t;
  t.Hello(kSession, "ann");
  // {"wandb": {"dir": "/etc"}}
  t.Take(kSession, 1,
         {Opening("\x81\xa5wandb\x81\xa3"
                  "dir\xa4/etc"),
          Metric("site-1", 1)});
  CHECK(EventsIn(t.Commit()) == 0);
  CHECK(t.intake->AckOf(kSession).rejected == 2);
}

TEST_CASE("another version of the wire format is refused with what to do") {
  Taking t;
  const Expected<Welcome> welcome =
      t.intake->Hello({kWireVersion + 1, kSession, "test"}, "", Clock::now());
  REQUIRE_FALSE(welcome.has_value());
  CHECK(welcome.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("malformed events are counted and acknowledged, those around them are stored") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1), "\x91\x63", Metric("site-1", 2)});
  CHECK(EventsIn(t.Commit()) == 2);
  CHECK(t.intake->AckOf(kSession).acked_seq == 4);
  CHECK(t.intake->AckOf(kSession).rejected == 1);
}

TEST_CASE(
    "behind bytes that are not msgpack the rest of a batch is rejected, the next one is not") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("site-1", 1), "\xc1", Metric("site-1", 2)});
  t.Take(kSession, 5, {Metric("site-1", 3)});
  CHECK(EventsIn(t.Commit()) == 2);
  CHECK(t.intake->AckOf(kSession).acked_seq == 5);
  CHECK(t.intake->AckOf(kSession).rejected == 2);
}

TEST_CASE("events before the session's opening, and a second opening, are rejected") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Metric("site-1", 1), Opening(), Opening()});
  CHECK(EventsIn(t.Commit()) == 0);
  CHECK(t.intake->AckOf(kSession).rejected == 2);
}

TEST_CASE("a site that nobody announced gets a run, and two sites get two") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1,
         {Opening(), Encode(RunStarted{1, "site-1"}), Metric("late", 1), Metric("site-1", 1)});
  const Intake::Committed committed = t.Commit();
  REQUIRE(committed.new_runs.size() == 2);
  CHECK(committed.new_runs[0].spec.site == "site-1");
  CHECK(committed.new_runs[1].spec.site == "late");
  CHECK(committed.new_runs[1].spec.started == 2);
  CHECK(committed.slices.size() == 2);
  t.Take(kSession, 5, {Metric("late", 2)});
  CHECK(t.Commit().new_runs.empty());
}

TEST_CASE("more sites than allowed are rejected, those there go on") {
  Taking t;
  t.limits.runs = 1;
  t.Load();
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("b", 1), Metric("a", 2)});
  CHECK(EventsIn(t.Commit()) == 2);
  CHECK(t.intake->AckOf(kSession).rejected == 1);
}

TEST_CASE("a bridge starts again behind a session of which everything was rejected") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Metric("site-1", 1)});
  t.Commit();
  t.Load();
  CHECK(t.Hello(kSession) == 1);
  CHECK(t.intake->AckOf(kSession).rejected == 1);
}

TEST_CASE("a session's end ends its runs, once, and not those that another session still feeds") {
  Taking t;
  t.Hello(kSession);
  t.Hello(kOther);
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("b", 1)});
  t.Take(kOther, 1, {Opening(), Metric("b", 2)});
  t.Commit();
  t.Take(kSession, 4, {Encode(SessionEnded{9, 0, ""})});
  const Intake::Committed first = t.Commit();
  REQUIRE(first.slices.size() == 1);
  CHECK(first.slices[0].ends);
  t.Take(kOther, 3, {Encode(SessionEnded{9, 0, ""})});
  const Intake::Committed second = t.Commit();
  REQUIRE(second.slices.size() == 1);
  CHECK(second.slices[0].ends);
  CHECK(second.slices[0].run != first.slices[0].run);
  CHECK(t.intake->AllEnded());
}

TEST_CASE(
    "sessions and runs that are over are dropped, and a site that comes again gets a new run") {
  Taking t;
  t.limits.runs = 1;
  t.Load();
  for (uint64_t round = 1; round <= 3; ++round) {
    const std::string session(32, static_cast<char>('a' + round));
    t.Hello(session);
    t.Take(session, 1, {Opening(), Metric("a", 1), Encode(SessionEnded{9, 0, ""})});
    const Intake::Committed stored = t.Commit();
    REQUIRE(stored.new_runs.size() == 1);
    CHECK(t.intake->AckOf(session).rejected == 0);
    const int64_t run = stored.new_runs[0].id;
    t.intake->Forget(run, stored.slices[0].first_position + stored.slices[0].count - 1);
    t.intake->Finished(run);
    CHECK(t.Commit().dropped_runs.empty());  // the session has not said goodbye
    t.intake->Bye(session);
    CHECK(t.Commit().dropped_runs == std::vector<int64_t>{run});
    CHECK_FALSE(t.intake->AnySession());
    CHECK(t.journal->Sessions()->empty());
    CHECK(t.journal->Runs()->empty());
    CHECK(t.journal->Feeds()->empty());
  }
}

TEST_CASE("a run that goes on after its end is not dropped") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Encode(SessionEnded{9, 0, ""})});
  const int64_t run = t.Commit().new_runs.at(0).id;
  t.intake->Finished(run);
  t.intake->Bye(kSession);
  t.Hello(kOther);
  t.Take(kOther, 1, {Opening(), Metric("a", 2)});
  CHECK(t.Commit().dropped_runs.empty());
  // It ends again: not before its worker has finished again is it over.
  t.Take(kOther, 3, {Encode(SessionEnded{9, 0, ""})});
  t.Commit();
  t.intake->Bye(kOther);
  CHECK(t.Commit().dropped_runs.empty());
  t.intake->Finished(run);
  CHECK(t.Commit().dropped_runs == std::vector<int64_t>{run});
}

TEST_CASE("a lost session's runs end as failed; it goes on if it comes back") {
  Taking t;
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("a", 1)});
  t.Commit();
  CHECK(t.intake->SilentSince(Clock::now()) == std::vector<std::string>{kSession});
  t.intake->EndLost({kSession}, "gone", 5);
  const Intake::Committed lost = t.Commit();
  REQUIRE(lost.slices.size() == 1);
  CHECK(lost.slices[0].ends);
  EventDecoder decoder;
  const DecodedEvent end = decoder.Decode(lost.slices[0].body);
  CHECK(std::get<RunEnded>(*end.event).exit_code == 1);
  CHECK(std::get<RunEnded>(*end.event).time == 5);
  CHECK(t.intake->AllEnded());
  t.Take(kSession, 3, {Metric("a", 2)});
  CHECK_FALSE(t.Commit().slices.at(0).ends);
  CHECK_FALSE(t.intake->AllEnded());
}

TEST_CASE("events that no receiver wants are acknowledged and not stored") {
  Taking t;
  t.Hello(kSession);
  // {"wandb": {"exclude": "loss"}}
  t.Take(kSession, 1,
         {Opening("\x81\xa5wandb\x81\xa7"
                  "exclude\xa4loss"),
          Metric("a", 1)});
  CHECK(EventsIn(t.Commit()) == 0);
  CHECK(t.intake->AckOf(kSession).acked_seq == 2);
  CHECK(t.intake->filtered() == 1);
}

TEST_CASE("a full journal takes nothing, gives no credit, and goes on when there is room") {
  Taking t;
  t.limits.journal_bytes = 40;
  t.Load();
  t.Hello(kSession);
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Metric("a", 2)});
  const Intake::Committed stored = t.Commit();
  CHECK(t.intake->IsFull());
  CHECK(t.intake->AckOf(kSession).credit_bytes == 0);
  t.Take(kSession, 4, {Metric("a", 3)});
  CHECK_FALSE(t.intake->HasWork());
  CHECK(t.intake->AckOf(kSession).acked_seq == 3);
  const Intake::Slice& slice = stored.slices.at(0);
  t.intake->Forget(slice.run, slice.first_position + slice.count - 1);
  CHECK(t.intake->HasWork());
  CHECK(EventsIn(t.Commit()) == 1);
  CHECK(t.intake->AckOf(kSession).acked_seq == 4);
  CHECK(t.intake->AckOf(kSession).credit_bytes > 0);
}

TEST_CASE("an opening with a relative folder or a bad filter is rejected") {
  Taking t;
  t.Hello(kSession);
  const Document receivers = Document::Parse("\x81\xa5wandb\x80").value();
  t.Take(kSession, 1,
         {Encode(SessionOpened{1, "job", "run", "server", "relative", receivers.root()})});
  t.Take(kSession, 2, {Opening("\x81\xa5wandb\x81\xa5sites\x05")});
  t.Commit();
  CHECK(t.intake->AckOf(kSession).rejected == 2);
}

}  // namespace
}  // namespace flarebridge
