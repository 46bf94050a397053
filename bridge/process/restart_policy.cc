#include "bridge/process/restart_policy.h"

#include <algorithm>

namespace flarebridge {

RestartPolicy::Action RestartPolicy::Spawn(Time now) {
  state_ = State::kStarting;
  timer_ = now + deadlines_.start_deadline;
  ready_since_.reset();
  return Action::kSpawn;
}

RestartPolicy::Action RestartPolicy::OnWork(Time now) {
  return state_ == State::kIdle ? Spawn(now) : Action::kNone;
}

void RestartPolicy::OnProgress(Time now) {
  if (state_ == State::kStarting) timer_ = now + deadlines_.start_deadline;
}

void RestartPolicy::OnReady(Time now) {
  if (state_ != State::kStarting) return;
  state_ = State::kRunning;
  ready_since_ = now;
  timer_.reset();
}

void RestartPolicy::OnStop(Time now) {
  if (state_ != State::kStarting && state_ != State::kRunning) return;
  state_ = State::kStopping;
  timer_ = now + deadlines_.stop_deadline;
}

void RestartPolicy::OnExit(Time now, bool expected, bool final) {
  timer_.reset();
  if (final) {
    state_ = State::kFailed;
    return;
  }
  if (state_ == State::kStopping && expected) {
    state_ = State::kIdle;
    failures_ = 0;
    return;
  }
  if (ready_since_ && now - *ready_since_ >= deadlines_.healthy) failures_ = 0;
  // 200 ms, 400 ms, ... up to the most; the shift is bounded so that it can't overflow.
  const Duration wait = deadlines_.backoff_first * (1 << std::min<uint32_t>(failures_, 16));
  ++failures_;
  state_ = State::kBackoff;
  timer_ = now + std::min(wait, deadlines_.backoff_most);
}

RestartPolicy::Action RestartPolicy::OnTimer(Time now) {
  if (!timer_ || now < *timer_) return Action::kNone;
  switch (state_) {
    case State::kBackoff:
      return Spawn(now);
    case State::kStarting:
    case State::kStopping:
      timer_.reset();  // the exit that follows decides
      return Action::kKill;
    default:
      timer_.reset();
      return Action::kNone;
  }
}

}  // namespace flarebridge
