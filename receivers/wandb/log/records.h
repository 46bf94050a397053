// What W&B's records of a run and of its machine say, as plain types that those who write records
// and those who read them share. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "receivers/applied.h"
#include "receivers/wandb/log/metric_definition.h"

namespace flarebridge::wandb {

struct RunRecord {
  // Where flarebridge wrote it. Of other programs' runs, and of earlier versions', nothing is
  // known.
  enum class Side : uint8_t { kUnknown = 0, kServer = 1, kClient = 2 };  // as in its field

  std::string run_id, project, entity, group, job_type, display_name, notes, host;
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::string>> config;  // key, JSON
  double start_time = 0;                                    // seconds since the epoch
  std::string version;                                      // of flarebridge
  std::string platform;  // "linux-x86_64"; empty if it is not told
  Side side = Side::kUnknown;
  // Of runs that W&B's own client wrote; ours have none of these.
  std::string sweep, program, repo, commit;
  bool resumed = false;  // a later part of its run, which counts its steps anew
};

struct EnvironmentRecord {
  std::string os, host, executable, writer_id;
  double started_at = 0;
  uint32_t cpu_count = 0;
  uint64_t memory_bytes = 0;
};

// What the values of a metric were, whose summary is more than the last of them. `path`: as
// AppendPath() gives it.
struct MetricValues {
  std::string path;
  double min = 0, max = 0, total = 0;  // of numbers that are finite
  uint64_t count = 0;                  // of these
  bool has_first = false;
  std::string first;     // JSON; empty: it had no room
  bool by_hand = false;  // its summary was set by hand
};
// The last value of a metric by which others are counted.
struct StepMetric {
  std::string name, path, json;
};
struct MetricState {
  std::vector<MetricDefinition> definitions;  // in the order of their first ones
  std::vector<MetricValues> values;
  std::vector<StepMetric> steps;
};

// What the records of a log before one say, as far as it takes to go on with the run: recovery
// begins there. It is written once all before it is on the disk.
struct Checkpoint {
  AppliedMark mark;  // all that the marks before it say of their journal, the writer's
  std::vector<uint64_t> journals;  // all of which there are marks
  RunRecord run;                   // the newest one, with the tags that were set behind it
  std::vector<std::pair<std::string, std::string>> tag_of_key;
  bool tags_wait = false;                        // no run record has the tags that were set last
  std::optional<int64_t> last_step, first_step;  // of rows: the last; the lowest that was logged
  double runtime = 0;                            // seconds, `_runtime` of the last row
  double last_time = 0;                          // seconds since the epoch, its `_timestamp`
  MetricState metrics;
  // Paths whose summary was set by hand, or deleted, while rows before that waited; the positions
  // of the events.
  std::vector<std::pair<std::string, uint64_t>> by_hand;
};

}  // namespace flarebridge::wandb
