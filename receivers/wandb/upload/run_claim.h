// Where a log's lines may go on a server that has, or may have, rows of the run: it is asked before
// the first line. Rows that no log here explains are never written over: ours go behind them if the
// run was continued here, later; else it is refused. Pure: answers and time are passed in. Used by
// RunUpload; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "events/clock.h"
#include "events/error.h"
#include "receivers/wandb/upload/api.h"

namespace flarebridge::wandb {

// Two rows of history say the same, however their JSON is written.
bool IsSameRow(const std::string& one, const std::string& other);

class RunClaim {
 public:
  using Time = Clock::time_point;
  using Lines = std::map<std::string, uint64_t>;  // by stream

  // What the logs here know.
  struct Local {
    Lines explained;        // lines that they have brought there: those of the run's earlier parts
    double start_time = 0;  // of this part, seconds since the epoch
    // A row of theirs by its number among all; empty if they have none there.
    std::function<std::string(uint64_t row)> row;
  };

  // The server's answer. Gives where this log's lines begin, or nothing: it is to be asked again
  // from due() on, because it counts its rows late. Errors: kForbidden, for a person.
  Expected<std::optional<Lines>> Decide(const RunThere& there, const Local& local, Time now);

  Time due() const { return due_; }
  // The run was there before this upload: what people see of it is theirs.
  bool existed() const { return existed_; }

 private:
  Expected<std::optional<Lines>> GoBehind(const RunThere& there, const Local& local, Time now);
  // The count has been the same for as long as it may be late.
  bool IsSettled(uint64_t rows, Time now);

  Time due_{};
  bool existed_ = false;
  std::optional<uint64_t> rows_;  // as it was asked first
  Time since_{};
};

}  // namespace flarebridge::wandb
