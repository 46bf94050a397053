// Whether the server has counted as many rows as were sent: it counts some seconds late, so it is
// asked for a while; if it stays short, all rows go to their places once more, and it is asked
// again. Pure: time is passed in. Used by RunUpload; one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "events/clock.h"

namespace flarebridge::wandb {

class RowCount {
 public:
  using Time = Clock::time_point;

  enum class Verdict {
    kEqual,      // the server holds all
    kAskAgain,   // from due() on
    kSendAgain,  // all rows, to the same places; then it is asked again
    kShort,      // it stays so, though all were sent twice
  };

  // The server's count is here, and `expected` rows were sent.
  Verdict Counted(uint64_t counted, uint64_t expected, Time now);
  // It could not be asked. True: the upload does without; false: it is worth another try.
  bool Failed(bool refused, Time now);
  // What is sent is sent anew.
  void Restart() { settled_ = verified_ = false; }

  Time due() const { return due_; }
  bool settled() const { return settled_; }    // equal, or it can't be had
  bool verified() const { return verified_; }  // equal
  // The server has fewer, though all were sent twice.
  bool short_for_good() const { return settled_ && !verified_ && sent_again_; }

 private:
  Time due_{};
  std::optional<Time> deadline_;
  bool settled_ = false;
  bool verified_ = false;
  bool sent_again_ = false;
};

}  // namespace flarebridge::wandb
