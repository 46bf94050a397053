// What a run log that exists already says: how far it is whole, which events it holds, and where
// its rows stand. Used when a run is continued, after a crash or by a second start. Pure but for
// reading.
#pragma once

#include <cstdint>
#include <optional>

#include "events/error.h"
#include "receivers/applied.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/run/tag_keys.h"

namespace flarebridge::wandb {

struct Recovered {
  bool corrupt = false;           // damaged in its middle: nothing may be appended
  uint64_t whole_end = 0;         // what is behind is torn
  uint64_t content_end = 0;       // where the run's end (exit, final) begins, or whole_end
  bool has_run = false;           // the run record is there
  bool ended = false;             // an exit record is there
  int64_t number_before_end = 0;  // of the last record before content_end
  int64_t number = 0;             // of the last record
  AppliedEvents applied{0};       // of the journal asked for
  std::optional<int64_t> last_step;
  std::optional<int64_t> first_step;  // the lowest that was logged, and no number of ours
  double runtime = 0;                 // seconds, `_runtime` of the last row
  double last_time = 0;               // seconds since the epoch, `_timestamp` of the last row
  RunRecord run;                      // the newest one, with the tags that were set behind it
  TagKeys tag_keys;                   // of run.tags
  bool tags_wait = false;             // no run record has the tags that were set last
};

// Reads the whole log. Errors: kIo, kMalformed (not a run log).
Expected<Recovered> Recover(int fd, uint64_t journal);

}  // namespace flarebridge::wandb
