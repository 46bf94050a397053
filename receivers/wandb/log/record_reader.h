// Reads W&B's protobuf records, whoever wrote them, as far as they are of use here. Used by
// recovery, by reading for people and by uploads. Bytes may be hostile: what is no record is an
// error, and memory stays within a few times the record's. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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
  std::vector<ParsedItem> items;    // history, summary, config (also the run's), stats
  std::vector<ParsedItem> removed;  // config and summary; without values
  int64_t step = 0;                 // history
  bool own_number = false;          // history: the step is a number of ours
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
