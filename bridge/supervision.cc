#include "bridge/supervision.h"

#include <algorithm>

namespace flarebridge {

Supervision::Action Supervision::Spawn(Time now) {
  state_ = State::kStarting;
  timer_ = now + policy_.start_deadline;
  ready_since_.reset();
  return Action::kSpawn;
}

Supervision::Action Supervision::OnWork(Time now) {
  return state_ == State::kIdle ? Spawn(now) : Action::kNone;
}

void Supervision::OnReady(Time now) {
  if (state_ != State::kStarting) return;
  state_ = State::kRunning;
  ready_since_ = now;
  timer_.reset();
}

void Supervision::OnStop(Time now) {
  if (state_ != State::kStarting && state_ != State::kRunning) return;
  state_ = State::kStopping;
  timer_ = now + policy_.stop_deadline;
}

void Supervision::OnExit(Time now, bool expected, bool final) {
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
  if (ready_since_ && now - *ready_since_ >= policy_.healthy) failures_ = 0;
  // 200 ms, 400 ms, ... up to the most; the shift is bounded so that it can't overflow.
  const Duration wait = policy_.backoff_first * (1 << std::min<uint32_t>(failures_, 16));
  ++failures_;
  state_ = State::kBackoff;
  timer_ = now + std::min(wait, policy_.backoff_most);
}

Supervision::Action Supervision::OnTimer(Time now) {
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
