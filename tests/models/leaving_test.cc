// When the bridge may leave, against what holds whatever it sees: it leaves nobody behind who
// lives, tells a step once, sleeps while it waits, and does not wait for ever.
#include "bridge/leaving.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "bridge/process/exit_code.h"

namespace flarebridge {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Step = Leaving::Step;
using Time = Leaving::Time;
using Why = Leaving::Why;

Leaving::Terms AnyTerms() {
  Leaving::Terms terms;
  terms.own = *rc::gen::arbitrary<bool>();
  terms.serves = !terms.own || *rc::gen::arbitrary<bool>();
  terms.watches_parent = *rc::gen::arbitrary<bool>();
  terms.finish_timeout = seconds(*rc::gen::inRange(0, 100));
  terms.upload_timeout = seconds(*rc::gen::inRange(0, 100));
  terms.session_timeout = seconds(*rc::gen::inRange(5, 100));
  return terms;
}

// One thing changes.
void Change(Leaving::Seen& seen, int what, Time now) {
  const auto flip = [](bool& flag) { flag = !flag; };
  switch (what) {
    case 0:
      flip(seen.any_session_alive);
      break;
    case 1:
      flip(seen.all_sessions_ended);
      break;
    case 2:
      seen.runs_done = !seen.runs_done;
      seen.runs_stuck = seen.runs_done;
      seen.workers_left = !seen.runs_done;
      break;
    case 3:
      flip(seen.runs_stuck);
      break;
    case 4:
      flip(seen.uploads_done);
      break;
    case 5:
      seen.parent_gone = true;
      break;
    case 6:
      seen.served = true;
      seen.last_input = now;
      break;
    case 7:
      seen.last_progress = now;
      break;
    case 8:
      seen.journal_blocked_since =
          seen.journal_blocked_since ? std::nullopt : std::optional<Time>(now);
      break;
    case 9:
      if (!seen.runs_done) flip(seen.workers_left);
      break;
    default:
      seen.asked = true;
  }
}

void CheckDecision(const Leaving::Terms& terms, const Leaving::Seen& seen,
                   const Leaving::Decision& decision, Time now) {
  if (decision.step == Step::kStay) {
    RC_ASSERT(!decision.until || *decision.until > now);
    return;
  }
  RC_ASSERT(seen.asked || terms.own);
  if (decision.step == Step::kStopWorkers) RC_ASSERT(seen.asked);
  if (decision.step == Step::kFinishUploads) RC_ASSERT(seen.runs_done && !seen.asked);
  if (decision.step != Step::kLeave) return;
  const bool somebody_lives =
      terms.serves && !seen.parent_gone && seen.served && seen.any_session_alive;
  RC_ASSERT(seen.asked || !somebody_lives);
  const bool stored = decision.why != Why::kNeverStored;
  RC_ASSERT(seen.asked || !stored || seen.all_sessions_ended);
  RC_ASSERT(stored || seen.journal_blocked_since.has_value());
  const bool written = decision.status == kExitOk;
  RC_ASSERT(!written || seen.runs_done);
  RC_ASSERT((decision.why == Why::kAllDone) <= seen.uploads_done);
}

TEST_CASE(
    "whatever it sees, the bridge leaves nobody behind who lives, and sleeps while it waits") {
  CHECK(rc::check([] {
    const Leaving::Terms terms = AnyTerms();
    const auto changes = *rc::gen::container<std::vector<std::pair<int, uint32_t>>>(
        rc::gen::pair(rc::gen::inRange(0, 12), rc::gen::inRange<uint32_t>(0, 40000)));
    Leaving leaving(terms);
    Time now{hours(1)};
    Leaving::Seen seen;
    seen.started = seen.last_input = now;
    int stops = 0;
    for (const auto& [what, pause] : changes) {
      now += milliseconds(pause);
      Change(seen, what, now);
      const Leaving::Decision decision = leaving.Decide(seen, now);
      CheckDecision(terms, seen, decision, now);
      stops += decision.step == Step::kStopWorkers ? 1 : 0;
      RC_ASSERT(stops <= 1);
      if (decision.step == Step::kLeave) return;
    }
  }));
}

TEST_CASE("a bridge that may leave does so although nothing happens any more") {
  CHECK(rc::check([] {
    const Leaving::Terms terms = AnyTerms();
    Leaving leaving(terms);
    Time now{hours(1)};
    Leaving::Seen seen;
    seen.started = seen.last_input = seen.last_progress = now;
    for (const int what : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 10)))
      Change(seen, what, now);
    seen.asked = !terms.own || *rc::gen::arbitrary<bool>();
    seen.any_session_alive = false;
    seen.all_sessions_ended = true;
    const Time latest =
        now +
        (seen.asked ? seconds(15) : seconds(61) + terms.finish_timeout + terms.upload_timeout);
    // As the loop does: asked again when the table wants it.
    for (int turn = 0; turn < 2000; ++turn) {
      const Leaving::Decision decision = leaving.Decide(seen, now);
      if (decision.step == Step::kLeave) return;
      RC_ASSERT(decision.until.has_value());
      now = *decision.until;
      RC_ASSERT(now <= latest);
    }
    RC_FAIL("it never leaves");
  }));
}

}  // namespace
}  // namespace flarebridge
