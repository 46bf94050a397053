// The table of a worker's states against what holds in all of them: one process at most, no start
// before its time, and where there is work there is a process, a timer, or a final failure.
#include "bridge/process/restart_policy.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

namespace flarebridge {
namespace {

using std::chrono::milliseconds;
using State = RestartPolicy::State;
using Action = RestartPolicy::Action;

TEST_CASE("a worker's states keep their promises whatever happens") {
  CHECK(rc::check([] {
    const auto events = *rc::gen::container<std::vector<std::pair<uint8_t, uint32_t>>>(
        rc::gen::pair(rc::gen::inRange<uint8_t>(0, 8), rc::gen::inRange<uint32_t>(0, 40000)));
    const RestartPolicy::Deadlines deadlines;
    RestartPolicy table(deadlines);
    bool alive = false, work = false, killed = false;
    RestartPolicy::Time now{}, earliest{};
    const auto act = [&](Action action) {
      if (action == Action::kSpawn) {
        RC_ASSERT(!alive);
        RC_ASSERT(now >= earliest);
        alive = true;
        killed = false;
      }
      if (action == Action::kKill) {
        RC_ASSERT(alive);
        RC_ASSERT(!killed);
        killed = true;
      }
    };
    for (const auto& [event, amount] : events) {
      switch (event) {
        case 0:
          work = true;
          act(table.OnWork(now));
          break;
        case 1:
          if (alive && !killed) table.OnReady(now);
          break;
        case 2:
          if (alive && !killed) table.OnStop(now);
          break;
        case 3:  // it dies
        case 4:  // it leaves by itself
          if (!alive) break;
          {
            alive = false;
            const bool stopping = table.state() == State::kStopping;
            const bool expected = event == 4 && !killed;
            table.OnExit(now, expected, false);
            if (expected && stopping) {
              work = false;  // all was written
              earliest = now;
            } else {
              earliest = now + deadlines.backoff_first;
              RC_ASSERT(table.NextTimer().has_value());
              RC_ASSERT(*table.NextTimer() <= now + deadlines.backoff_most);
            }
          }
          break;
        case 5:
          if (alive && !killed) table.OnProgress(now);
          break;
        default:
          now += milliseconds(amount);
          // As the loop does: a timer is never long overdue.
          act(table.OnTimer(now));
      }
      const bool has_process = table.state() == State::kStarting ||
                               table.state() == State::kRunning ||
                               table.state() == State::kStopping;
      RC_ASSERT(has_process == alive);
      if (work && !alive) RC_ASSERT(table.NextTimer().has_value());
      // Whoever hangs while it starts or leaves is killed at last.
      if (alive && !killed && table.state() != State::kRunning) {
        RC_ASSERT(table.NextTimer().has_value());
        RC_ASSERT(*table.NextTimer() <= now + deadlines.start_deadline);
      }
    }
  }));
}

TEST_CASE("who says that trying again does not help is not started again") {
  RestartPolicy table{RestartPolicy::Deadlines{}};
  CHECK(table.OnWork({}) == Action::kSpawn);
  table.OnExit({}, false, true);
  CHECK(table.OnWork({}) == Action::kNone);
  CHECK_FALSE(table.NextTimer().has_value());
}

}  // namespace
}  // namespace flarebridge
