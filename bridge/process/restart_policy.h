// When a worker is started, given up or started again: a table of states and events, pure, with the
// clock passed in. The supervisor asks it and does what it says. One per run; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace flarebridge {

class RestartPolicy {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  struct Deadlines {
    Duration start_deadline =
        std::chrono::seconds(30);  // from spawn, or the last word that it gets on, to ready
    Duration stop_deadline = std::chrono::seconds(15);  // from the end of its stream to its exit
    Duration backoff_first = std::chrono::milliseconds(200);
    Duration backoff_most = std::chrono::seconds(30);
    Duration healthy =
        std::chrono::seconds(30);  // ready for this long: the next failure counts as the first
  };
  enum class State : uint8_t {
    kIdle,      // no worker, none needed
    kStarting,  // spawned, not ready yet
    kRunning,
    kStopping,  // its stream is closed; it writes out and leaves
    kBackoff,   // died; waits before the next start
    kFailed,    // said that trying again does not help
  };
  enum class Action : uint8_t { kNone, kSpawn, kKill };

  explicit RestartPolicy(const Deadlines& deadlines) : deadlines_(deadlines) {}

  State state() const { return state_; }
  uint32_t failures() const { return failures_; }

  // There is something to be written.
  Action OnWork(Time now);
  // The worker is not ready yet, and has got on: the start deadline begins anew.
  void OnProgress(Time now);
  void OnReady(Time now);
  // The bridge has closed the worker's stream.
  void OnStop(Time now);
  // The worker is gone. `expected`: it left by itself with status 0. `final`: its exit status says
  // that trying again does not help.
  void OnExit(Time now, bool expected, bool final);
  // At or after NextTimer().
  Action OnTimer(Time now);
  // When OnTimer() is due; nothing: no timer runs.
  std::optional<Time> NextTimer() const { return timer_; }

 private:
  Action Spawn(Time now);

  Deadlines deadlines_;
  State state_ = State::kIdle;
  std::optional<Time> timer_;
  std::optional<Time> ready_since_;
  uint32_t failures_ = 0;
};

}  // namespace flarebridge
