// When a run's summary goes along with a request: it goes whole each time it has changed, a large
// one not with every request. Pure: time is passed in. Used by RunUpload; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "events/clock.h"

namespace flarebridge::wandb {

class SummaryUpdates {
 public:
  using Time = Clock::time_point;

  // `version`: RunView's; `last`: the run has ended, so that a large one goes, too.
  bool IsDue(uint64_t version, bool last, Time now) const {
    return confirmed_ != version && (last || now >= due_);
  }
  // Takes the summary of a version into a request that is made now. Gives what the request is to
  // carry: nothing if the server would not take it.
  std::string Take(std::string text, uint64_t version);
  // A request is made now that carries none.
  void LeaveOut() { sent_ = confirmed_; }
  // The last request was answered well. One that failed is made again, with a summary if it had
  // one: a large one is not put off before it was sent once.
  void Confirm(Time now);
  // It is sent anew.
  void Restart() { confirmed_ = sent_ = 0; }
  // The last one had more than a server takes.
  bool too_long() const { return too_long_; }

 private:
  uint64_t confirmed_ = 0, sent_ = 0;  // versions
  Time due_{};
  bool large_ = false;  // what was sent last
  bool too_long_ = false;
};

}  // namespace flarebridge::wandb
