#include "bridge/intake/sessions.h"

#include <doctest/doctest.h>

#include "events/event_codec.h"
#include "tests/unit/bridge/intake/arrivals.h"

namespace flarebridge {
namespace {

using flarebridge::testing::kOther;
using flarebridge::testing::kSession;
using flarebridge::testing::Opening;
using std::chrono::seconds;

using Time = Sessions::Time;

constexpr Time kStart{seconds(100)};

Expected<Welcome> Hello(Sessions& sessions, const std::string& id, const std::string& client = "",
                        Time now = kStart) {
  return sessions.Hello({kWireVersion, id, "test"}, client, true, now);
}

std::optional<Refusal> Take(Sessions& sessions, const std::string& id, uint64_t first,
                            uint32_t count, Time now = kStart) {
  return sessions.Take(id, {first, count, "body"}, now);
}

std::shared_ptr<const OpenedSession> Opened(const std::string& owner = "") {
  return OpenedSession::Restore(Opening() + owner, {"journal", "/clients"}).value();
}

// A session whose events up to `seq` are stored.
SessionState Known(uint64_t seq, bool open = true) { return {seq, 0, open, Opened(), 0}; }

TEST_CASE("a session goes on behind what is stored, also after a restart of either side") {
  Sessions sessions((IntakeLimits()));
  CHECK(Hello(sessions, kSession).value().acked_seq == 0);
  sessions.Stored(kSession, Known(7));
  CHECK(Hello(sessions, kSession).value().acked_seq == 7);
  CHECK(sessions.AckOf(kSession, true).acked_seq == 7);
  Sessions restarted((IntakeLimits()));
  restarted.Restore(kSession, Known(7));
  CHECK(Hello(restarted, kSession).value().acked_seq == 7);
  CHECK_FALSE(Take(restarted, kSession, 8, 1).has_value());
}

TEST_CASE("a batch must join what has been received, of which nothing is taken twice") {
  Sessions sessions((IntakeLimits()));
  CHECK(Take(sessions, kSession, 1, 1)->code == RefusalCode::kUnknownSession);
  REQUIRE(Hello(sessions, kSession).has_value());
  CHECK_FALSE(Take(sessions, kSession, 1, 3).has_value());
  const std::optional<Refusal> gap = Take(sessions, kSession, 5, 1);
  REQUIRE(gap.has_value());
  CHECK(gap->code == RefusalCode::kGap);
  CHECK(gap->text == "expected event 4, got 5");
  CHECK_FALSE(Take(sessions, kSession, 2, 2).has_value());  // all of it is here
  CHECK(sessions.arrivals().size() == 1);
  CHECK_FALSE(Take(sessions, kSession, 3, 2).has_value());  // the staging leaves out the first
  CHECK(sessions.arrivals().size() == 2);
  CHECK(sessions.waiting_bytes() == 8);
  sessions.ClearArrivals();
  CHECK(sessions.waiting_bytes() == 0);
  CHECK_FALSE(Take(sessions, kSession, 5, 1).has_value());
}

TEST_CASE("credit is shared by all sessions, never more in sum than the limit, none without room") {
  IntakeLimits limits;
  limits.session_credit = 5 * kMaxEventBytes;
  limits.total_credit = 6 * kMaxEventBytes;
  Sessions sessions(limits);
  CHECK(Hello(sessions, kSession).value().credit_bytes == 5 * kMaxEventBytes);
  CHECK(Hello(sessions, kOther).value().credit_bytes == 3 * kMaxEventBytes);
  for (char name = 'c'; name < 'z'; ++name)
    REQUIRE(Hello(sessions, std::string(32, name)).has_value());
  uint64_t sum = 0;
  for (const auto& [id, session] : sessions.all()) {
    const uint64_t credit = sessions.AckOf(id, true).credit_bytes;
    CHECK(credit > 0);  // a batch may follow it: nobody waits for ever
    sum += credit;
  }
  CHECK(sum <= limits.total_credit);
  CHECK(sessions.AckOf(kSession, false).credit_bytes == 0);
}

TEST_CASE("what exceeds the credit by more than a batch is refused, and taken when sent again") {
  IntakeLimits limits;
  limits.session_credit = 1000;
  Sessions sessions(limits);
  REQUIRE(Hello(sessions, kSession).has_value());
  const std::string most(kMaxBatchBytes, 'x');
  CHECK_FALSE(sessions.Take(kSession, {1, 1, std::string(1000, 'x')}, kStart));
  CHECK_FALSE(sessions.Take(kSession, {2, 1, most}, kStart));
  CHECK(sessions.Take(kSession, {3, 1, "x"}, kStart)->code == RefusalCode::kGap);
  CHECK(sessions.Take(kSession, {4, 1, "x"}, kStart)->code == RefusalCode::kGap);
  CHECK(sessions.waiting_bytes() == 1000 + kMaxBatchBytes);
  sessions.ClearArrivals();
  CHECK_FALSE(sessions.Take(kSession, {3, 1, "x"}, kStart));
}

TEST_CASE("where there is no room a batch at most is kept in memory, of all sessions together") {
  Sessions sessions((IntakeLimits()));
  for (const std::string& id : {kSession, kOther}) REQUIRE(Hello(sessions, id).has_value());
  const std::string half(kMaxBatchBytes / 2, 'x');
  CHECK_FALSE(sessions.Take(kSession, {1, 1, half}, kStart, false));
  CHECK_FALSE(sessions.Take(kOther, {1, 1, half}, kStart, false));
  CHECK(sessions.Take(kSession, {2, 1, half}, kStart, false)->code == RefusalCode::kGap);
  CHECK(sessions.Take(kOther, {2, 1, "x"}, kStart, false)->code == RefusalCode::kGap);
  sessions.ClearArrivals();
  CHECK_FALSE(sessions.Take(kOther, {2, 1, "x"}, kStart, true));
}

TEST_CASE("more sessions than allowed are refused, those there may come again") {
  IntakeLimits limits;
  limits.sessions = 1;
  Sessions sessions(limits);
  REQUIRE(Hello(sessions, kSession).has_value());
  CHECK(Hello(sessions, kOther).error().code == ErrorCode::kTooLarge);
  CHECK(Hello(sessions, kSession).has_value());
}

TEST_CASE("a session belongs to the client that it came with, also after a restart") {
  Sessions sessions((IntakeLimits()));
  SessionState state = Known(3);
  state.opened = Opened("ann");
  sessions.Restore(kSession, state);
  CHECK(Hello(sessions, kSession, "bob").error().code == ErrorCode::kForbidden);
  CHECK(Hello(sessions, kSession, "").error().code == ErrorCode::kForbidden);
  CHECK(Hello(sessions, kSession, "ann").has_value());
}

TEST_CASE("a session is silent while it is open, nothing of it waits, and it has said nothing") {
  Sessions sessions((IntakeLimits()));
  REQUIRE(Hello(sessions, kSession).has_value());
  CHECK(sessions.SilentSince(kStart).empty());  // it has not been opened
  sessions.Stored(kSession, Known(1));
  CHECK(sessions.SilentSince(kStart) == std::vector<std::string>{kSession});
  CHECK(sessions.SilentSince(kStart - seconds(1)).empty());
  sessions.Heard(kSession, kStart + seconds(5));
  CHECK(sessions.SilentSince(kStart).empty());
  REQUIRE_FALSE(Take(sessions, kSession, 1, 1, kStart + seconds(5)).has_value());
  CHECK(sessions.SilentSince(kStart + seconds(9)).empty());
  sessions.ClearArrivals();
  CHECK(sessions.SilentSince(kStart + seconds(9)).size() == 1);
  sessions.Stored(kSession, Known(2, false));
  CHECK(sessions.SilentSince(kStart + seconds(9)).empty());
}

TEST_CASE("one that is only remembered has never been heard of") {
  Sessions sessions((IntakeLimits()));
  sessions.Restore(kSession, Known(1));
  CHECK(sessions.SilentSince(Time{}) == std::vector<std::string>{kSession});
  CHECK(sessions.AnyAlive(kStart));
}

TEST_CASE("a session lives until it says goodbye, or has ended and falls silent") {
  Sessions sessions((IntakeLimits()));
  CHECK_FALSE(sessions.AnyAlive(kStart));
  REQUIRE(Hello(sessions, kSession).has_value());
  CHECK(sessions.AnyAlive(kStart));
  sessions.Stored(kSession, Known(1, false));
  CHECK(sessions.AnyAlive(kStart - seconds(1)));
  CHECK_FALSE(sessions.AnyAlive(kStart));
  sessions.Stored(kSession, Known(1, true));
  sessions.Bye(kSession);
  CHECK_FALSE(sessions.AnyAlive(kStart - seconds(1)));
  REQUIRE(Hello(sessions, kSession).has_value());  // it comes back
  CHECK(sessions.AnyAlive(kStart - seconds(1)));
}

TEST_CASE("all have ended when every end is stored and nothing waits") {
  Sessions sessions((IntakeLimits()));
  REQUIRE(Hello(sessions, kSession).has_value());
  CHECK(sessions.AllEnded());  // it has opened nothing
  sessions.Stored(kSession, Known(1));
  CHECK_FALSE(sessions.AllEnded());
  sessions.EndLost({kSession}, "gone", 5);
  sessions.Stored(kSession, Known(1, false));
  CHECK_FALSE(sessions.AllEnded());
  sessions.ClearArrivals();
  CHECK(sessions.AllEnded());
}

TEST_CASE("that a session is lost waits in its turn, and nobody can be lost who is not known") {
  Sessions sessions((IntakeLimits()));
  REQUIRE(Hello(sessions, kSession).has_value());
  REQUIRE_FALSE(Take(sessions, kSession, 1, 1).has_value());
  sessions.EndLost({kOther, kSession}, "gone", 5);
  REQUIRE(sessions.arrivals().size() == 2);
  CHECK(sessions.arrivals()[0].end_reason.empty());
  CHECK(sessions.arrivals()[1].session == kSession);
  CHECK(sessions.arrivals()[1].end_reason == "gone");
  CHECK(sessions.arrivals()[1].end_time == 5);
}

TEST_CASE("a session is over once it has said goodbye, has ended, and nothing of it waits") {
  Sessions sessions((IntakeLimits()));
  REQUIRE(Hello(sessions, kSession).has_value());
  const auto over = [&sessions] { return Sessions::IsOver(sessions.all().at(kSession)); };
  sessions.Bye(kSession);
  CHECK_FALSE(over());
  sessions.EndLost({kSession}, "gone", 5);
  sessions.Stored(kSession, Known(1, false));
  CHECK_FALSE(over());
  sessions.ClearArrivals();
  CHECK(over());
  sessions.Erase(kSession);
  CHECK(sessions.all().empty());
}

TEST_CASE("who feeds a run is known by the run") {
  Sessions sessions((IntakeLimits()));
  for (const std::string& id : {kSession, kOther}) REQUIRE(Hello(sessions, id).has_value());
  sessions.Feeds(kSession, 1);
  sessions.Feeds(kOther, 1);
  sessions.Feeds(kOther, 2);
  CHECK(sessions.FeedersOf(1) == std::vector<std::string>{kSession, kOther});
  CHECK(sessions.FeedersOf(2) == std::vector<std::string>{kOther});
  CHECK(sessions.FeedersOf(3).empty());
}

}  // namespace
}  // namespace flarebridge
