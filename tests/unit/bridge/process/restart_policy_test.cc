#include "bridge/process/restart_policy.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Action = RestartPolicy::Action;
using State = RestartPolicy::State;
using Time = RestartPolicy::Time;

TEST_CASE("work starts a worker once; its end after a stop needs no other") {
  RestartPolicy s{RestartPolicy::Deadlines()};
  Time now{};
  CHECK(s.OnWork(now) == Action::kSpawn);
  CHECK(s.OnWork(now) == Action::kNone);
  s.OnReady(now);
  CHECK(s.state() == State::kRunning);
  CHECK_FALSE(s.NextTimer().has_value());
  s.OnStop(now);
  s.OnExit(now, true, false);
  CHECK(s.state() == State::kIdle);
  CHECK(s.OnWork(now) == Action::kSpawn);
}

TEST_CASE("a worker that dies is started again, later each time, up to a limit") {
  RestartPolicy s{RestartPolicy::Deadlines()};
  Time now{};
  s.OnWork(now);
  auto last = milliseconds(0);
  for (int death = 0; death < 20; ++death) {
    s.OnExit(now, false, false);
    REQUIRE(s.state() == State::kBackoff);
    const auto wait = std::chrono::duration_cast<milliseconds>(*s.NextTimer() - now);
    CHECK(wait >= last);
    CHECK(wait <= seconds(30));
    CHECK(s.OnTimer(now) == Action::kNone);
    now = *s.NextTimer();
    CHECK(s.OnTimer(now) == Action::kSpawn);
    last = wait;
  }
  CHECK(last == seconds(30));
}

TEST_CASE("after a healthy time the next death is a first one") {
  RestartPolicy s{RestartPolicy::Deadlines()};
  Time now{};
  s.OnWork(now);
  for (int death = 0; death < 5; ++death) {
    s.OnExit(now, false, false);
    now = *s.NextTimer();
    s.OnTimer(now);
  }
  s.OnReady(now);
  now += seconds(31);
  s.OnExit(now, false, false);
  CHECK(*s.NextTimer() - now == milliseconds(200));
}

TEST_CASE("a worker that is not ready, or does not leave, in time is killed once") {
  RestartPolicy s{RestartPolicy::Deadlines()};
  Time now{};
  s.OnWork(now);
  CHECK(s.OnTimer(now + seconds(29)) == Action::kNone);
  CHECK(s.OnTimer(now + seconds(30)) == Action::kKill);
  CHECK(s.OnTimer(now + seconds(60)) == Action::kNone);
  s.OnExit(now, false, false);
  CHECK(s.state() == State::kBackoff);

  RestartPolicy stopping{RestartPolicy::Deadlines()};
  stopping.OnWork(now);
  stopping.OnReady(now);
  stopping.OnStop(now);
  CHECK(stopping.OnTimer(now + seconds(15)) == Action::kKill);
}

TEST_CASE("an exit that trying again does not help ends the trying") {
  RestartPolicy s{RestartPolicy::Deadlines()};
  Time now{};
  s.OnWork(now);
  s.OnExit(now, false, true);
  CHECK(s.state() == State::kFailed);
  CHECK(s.OnWork(now) == Action::kNone);
  CHECK_FALSE(s.NextTimer().has_value());
}

TEST_CASE("a worker that leaves unasked counts as dead, whatever its status") {
  RestartPolicy s{RestartPolicy::Deadlines()};
  Time now{};
  s.OnWork(now);
  s.OnReady(now);
  s.OnExit(now, true, false);
  CHECK(s.state() == State::kBackoff);
}

}  // namespace
}  // namespace flarebridge
