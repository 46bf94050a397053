// A log's records as they are sent: values that are no JSON, or nested deeper than anybody reads
// (JsonObject::kMaxDepth), are left out and counted, and a resumed part of a run counts its steps
// on from the part before it, as `wandb sync` does (0.31.0). Used wherever lines are made of a log.
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {

class SentRecords {
 public:
  // From here on a row's step is its own or, if that does not rise, the next one; the first is at
  // least this. Without a call steps stay as the log has them.
  void CountOn(int64_t first_step);
  // The record, or a changed copy of it, which lives until the next call.
  const ParsedRecord& Of(const ParsedRecord& record);

  // Behind the last row's; nothing: there was none.
  std::optional<int64_t> next_step() const { return next_step_; }
  uint64_t not_json() const { return not_json_; }
  uint64_t too_deep() const { return too_deep_; }

 private:
  ParsedRecord& Copy(const ParsedRecord& record);
  void CountStep(ParsedRecord& record);

  bool counts_on_ = false;
  std::optional<int64_t> next_step_;
  std::string step_;  // of the copy, as JSON
  ParsedRecord copy_;
  uint64_t not_json_ = 0, too_deep_ = 0;
};

// A row's step, of its JSON; nothing if it tells none.
std::optional<int64_t> StepOf(const std::string& row);

}  // namespace flarebridge::wandb
