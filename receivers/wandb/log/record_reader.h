// Reads W&B's protobuf records, whoever wrote them, as far as they are of use here. Used by
// recovery, by reading for people and by uploads. Bytes may be hostile: what is no record is an
// error, and memory stays within the record's and what kMaxParts takes. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.h"
#include "receivers/applied.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

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
  std::string_view checkpoint;      // ours: what is before it in the log (checkpoint_reader.h)
  std::vector<ParsedItem> items;    // history, summary, config (also the run's), stats
  std::vector<ParsedItem> removed;  // config and summary; without values
  // Config, of ours: keys and the tags that they have got.
  std::vector<std::pair<std::string_view, std::string_view>> tag_changes;
  int64_t step = 0;            // history
  bool own_number = false;     // history: the step is a number of ours
  RunRecord run;               // its config is in `items`
  std::string_view telemetry;  // the run's: a TelemetryRecord's bytes
  int32_t exit_code = 0;
  double time = 0;                      // output and stats: seconds since the epoch
  std::string_view line;                // output
  bool is_error_output = false;         // output: of standard error
  std::vector<std::string_view> files;  // paths below files/
  // Entries of these lists that are not in them, because there are more than kMaxParts.
  uint64_t left_out = 0;
  size_t parts = 0;  // counted while it is parsed

  // Items and components of their paths, tags, files and positions in a mark together: a row that
  // W&B takes as one line has less than half of it, and a part may take 100 bytes of memory for 2
  // in the record.
  static constexpr size_t kMaxParts = size_t{2} << 20;
};
// Errors: kMalformed.
Expected<void> ParseRecord(std::string_view bytes, ParsedRecord& record);

}  // namespace flarebridge::wandb
