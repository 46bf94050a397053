// W&B's protobuf records, those that flarebridge writes and reads. Field numbers are of
// wandb/proto/wandb_internal.proto and wandb_telemetry.proto, read at version 0.28.3 and compared
// with files of 0.31.0. Encoders append to a string; none of them allocates per field. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.h"
#include "receivers/applied.h"
#include "receivers/json.h"
#include "receivers/wandb/log/item_list.h"

namespace flarebridge::wandb {

// Appends one component of a key's path, as protobuf field nested_key (2): keys of history and
// summary are paths.
void AppendPath(std::string_view component, std::string& path);
// The components of a path joined by '.'.
std::string JoinPath(std::string_view path);

struct RunRecord {
  std::string run_id, project, entity, group, job_type, display_name, notes, host;
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::string>> config;  // key, JSON
  double start_time = 0;                                    // seconds since the epoch
  std::string version;                                      // of flarebridge
  std::string platform;                                     // "linux-x86_64"
};

struct EnvironmentRecord {
  std::string os, host, executable, writer_id;
  double started_at = 0;
  uint32_t cpu_count = 0;
  uint64_t memory_bytes = 0;
};

// Each appends a whole Record with its number and, if there is one, its mark, which is written
// behind the record's own content, in a field that W&B's readers skip. Times are seconds
// since the epoch, from 0 to kMaxTime; lists of items are not empty: a record without content ends
// W&B's reader.
void AppendHeader(int64_t number, std::string_view version, std::string& out);
void AppendRun(int64_t number, const RunRecord& run, const AppliedMark* mark, std::string& out);
void AppendEnvironment(int64_t number, const EnvironmentRecord& environment, std::string& out);
// `step` is the row's `_step`; the items hold it too.
void AppendHistory(int64_t number, const ItemList& items, int64_t step, const AppliedMark* mark,
                   std::string& out);
void AppendSummary(int64_t number, const ItemList& items, std::string& out);
void AppendConfig(int64_t number, const std::vector<std::pair<std::string, std::string>>& items,
                  const AppliedMark* mark, std::string& out);
// A line of the run's console, with its newline.
void AppendOutput(int64_t number, double time, std::string_view line, const AppliedMark* mark,
                  std::string& out);
// System metrics of one moment.
void AppendStats(int64_t number, double time,
                 const std::vector<std::pair<std::string, double>>& values, std::string& out);
// A file below files/ that is to be uploaded.
void AppendFile(int64_t number, std::string_view path, const AppliedMark* mark, std::string& out);
void AppendExit(int64_t number, int32_t exit_code, int32_t runtime, std::string& out);
void AppendFinal(int64_t number, const AppliedMark* mark, std::string& out);

// A record as far as it is of use here; the lists' texts are views into the bytes.
struct ParsedRecord {
  enum class Kind {
    kOther,
    kRun,
    kHistory,
    kSummary,
    kConfig,
    kExit,
    kFinal,
    kOutput,
    kFiles,
    kStats
  };
  struct ParsedItem {
    std::string key;                     // components joined by '.'
    std::vector<std::string_view> path;  // the components
    std::string_view json;
  };
  Kind kind = Kind::kOther;
  uint32_t field = 0;        // the content's field in Record: tells what a record of kOther is
  std::string_view content;  // of a record of kOther: its bytes
  int64_t number = 0;
  std::optional<AppliedMark> mark;
  std::vector<ParsedItem> items;    // history, summary, config (also the run's), stats
  std::vector<ParsedItem> removed;  // config and summary; without values
  int64_t step = 0;                 // history
  RunRecord run;                    // its config is in `items`
  int32_t exit_code = 0;
  double time = 0;                      // output and stats: seconds since the epoch
  std::string_view line;                // output
  bool is_error_output = false;         // output: of standard error
  std::vector<std::string_view> files;  // paths below files/
};
// Errors: kMalformed.
Expected<void> ParseRecord(std::string_view bytes, ParsedRecord& record);

}  // namespace flarebridge::wandb
