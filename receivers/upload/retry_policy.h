// What an HTTP status means for an upload, and how long to wait before trying again: pure. The
// lists are wandb-core's (core/internal/clients/retry_policy.go, backoff.go at 0.28.3), so that a
// server sees the same behaviour. Any thread.
#pragma once

#include <chrono>
#include <optional>

#include "events/clock.h"

namespace flarebridge {

enum class Outcome { kSuccess, kRetry, kRefused };

// `status`: of HTTP, or 0 if there was no answer.
Outcome Judge(long status);

// The first and the longest wait between two attempts, in seconds.
struct RetryWaits {
  double first = 2;
  double most = 60;
};

// How long what fails is tried again, and with which waits.
struct Patience {
  RetryWaits waits;
  double random = 0;  // 0 to 1
  std::chrono::seconds retry_for{};
};

// Doubles from the first wait to the longest. `attempt`: from 0 on; `random`: 0 to 1, up to a
// quarter is added; `retry_after`: what the server asked for in seconds, which is taken as it is,
// up to an hour.
std::chrono::milliseconds WaitBefore(const RetryWaits& waits, unsigned attempt, double random,
                                     std::optional<double> retry_after);

// One request that fails and is made again, until it is answered or has failed for too long. Time
// is passed in. One thread.
class Retries {
 public:
  using Time = Clock::time_point;

  // It has failed; see WaitBefore() for the waits. Gives when to make it again; nothing: that would
  // be more than `retry_for` after it has failed first.
  std::optional<Time> Failed(Time now, const RetryWaits& waits, double random,
                             std::optional<double> retry_after, std::chrono::seconds retry_for);
  // It was answered, or is not made any more.
  void Over() { failures_ = 0; }
  bool failing() const { return failures_ > 0; }

 private:
  unsigned failures_ = 0;
  Time since_{};
};

}  // namespace flarebridge
