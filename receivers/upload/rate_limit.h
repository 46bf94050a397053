// How many requests all uploads of one process may make in a second: W&B counts them per project.
// It begins well below the documented limit, and learns from the server's answers. Shared by all
// uploads; any thread.
#pragma once

#include <chrono>
#include <optional>

#include "events/mutex.h"

namespace flarebridge {

class RateLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Requests a second that are made at most. W&B's own limit: 500 for a project (its documentation
  // of dedicated servers), which other clients of the project use as well.
  static constexpr double kMost = 100;
  // What a server that is always too busy is still asked.
  static constexpr double kLeast = 0.5;

  // Takes the right to one request now. Nothing: it was taken; else: when to ask again.
  std::optional<Time> Take(Time now);
  // The server was too busy (status 429): half as many from here on, and none before
  // `retry_after` (seconds) is over.
  void Busy(Time now, std::optional<double> retry_after);
  // The server took a request, and told with the headers RateLimit-Remaining and RateLimit-Reset
  // how many more it takes in how many seconds, if it did.
  void Taken(Time now, std::optional<double> remaining, std::optional<double> reset);

 private:
  Mutex mutex_;
  double rate_ GUARDED_BY(mutex_) = kMost;
  Time next_ GUARDED_BY(mutex_){};    // when the next request may be made
  Time slowed_ GUARDED_BY(mutex_){};  // when a server was last too busy
};

}  // namespace flarebridge
