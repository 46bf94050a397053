// When a run's file stream may be asked next: at once after a quiet time, gathered while lines come
// all the time, a sign of life when nothing does. Pure: time is passed in. Used by RunUpload; one
// thread.
#pragma once

#include "events/clock.h"

namespace flarebridge::wandb {

class StreamPace {
 public:
  using Time = Clock::time_point;

  // The upload begins, as after a quiet time.
  void Begin(Time now);
  // A request was answered well; `full`: it carried as much as one does.
  void Sent(Time now, bool full);
  // The server has said that it is asked too often: from here on full requests wait, too.
  void SlowDown() { slowed_ = true; }
  // Nobody waits for more lines: what is there goes as soon as it may.
  void GatherNoMore() { due_ = soonest_; }

  // When the next request with lines may be made.
  Time due() const { return due_; }
  // When the server has to hear something, so that it does not take the run for dead.
  Time alive_due() const { return alive_due_; }

 private:
  bool slowed_ = false;
  double credit_ = 0;  // requests that may follow each other at once
  Time credit_at_{};
  Time due_{};
  Time soonest_{};  // the same without gathering
  Time alive_due_{};
};

}  // namespace flarebridge::wandb
