// What a run log that exists already says: how far it is whole, which events it holds, and where
// its rows stand. Used when a run is continued, after a crash or by a second start. A long log is
// read from its last checkpoint on, whose record says all of it that lies before. Pure but for
// reading.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/applied.h"
#include "receivers/receiver.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/run/metric_tracker.h"
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
  // All of which there are marks, as they first appear; of more than kMostJournals one more.
  std::vector<uint64_t> journals;
  std::optional<int64_t> last_step;
  std::optional<int64_t> first_step;  // the lowest that was logged, and no number of ours
  double runtime = 0;                 // seconds, `_runtime` of the last row
  double last_time = 0;               // seconds since the epoch, `_timestamp` of the last row
  RunRecord run;                      // the newest one, with the tags that were set behind it
  TagKeys tag_keys;                   // of run.tags
  bool tags_wait = false;             // no run record has the tags that were set last
  MetricTracker metrics;              // as the rows in the log leave it
  // Of the journal: paths whose summary was set by hand, or deleted, by the event at a position of
  // which it is not known that all before it are there.
  std::map<std::string, uint64_t> by_hand;
  uint64_t checkpoint_at = 0;  // where the record with the last checkpoint begins, or 0
};

// A log of more journals has no checkpoints.
inline constexpr size_t kMostJournals = 64;
// How far from its end a log is searched for a checkpoint: a multiple of what is written between
// two of them, and a second's reading.
inline constexpr uint64_t kCheckpointWithin = uint64_t{64} << 20;

// Reads the log from the last checkpoint on, or if none is found that tells of this journal, all of
// it. What is damaged before a checkpoint is not noticed: it was on the disk when that was written.
// Errors: kIo, kMalformed (not a run log).
Expected<Recovered> Recover(int fd, uint64_t journal, const OnProgress& on_progress = {});
// The same without checkpoints.
Expected<Recovered> RecoverFromBeginning(int fd, uint64_t journal,
                                         const OnProgress& on_progress = {});

}  // namespace flarebridge::wandb
