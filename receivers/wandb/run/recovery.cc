#include "receivers/wandb/run/recovery.h"

#include <algorithm>
#include <charconv>

#include "receivers/wandb/log/record_stream.h"

namespace flarebridge::wandb {
namespace {

double ToNumber(std::string_view json) {
  double number = 0;
  std::from_chars(json.data(), json.data() + json.size(), number);
  return number;
}

void TakeHistory(const ParsedRecord& record, Recovered& found) {
  found.last_step = std::max(found.last_step.value_or(0), record.step);
  if (!record.own_number)
    found.first_step = std::min(found.first_step.value_or(record.step), record.step);
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (item.key == "_runtime") found.runtime = std::max(found.runtime, ToNumber(item.json));
    if (item.key == "_timestamp") found.last_time = ToNumber(item.json);
  }
}

void TakeRecord(const ParsedRecord& record, uint64_t start, Recovered& found) {
  using Kind = ParsedRecord::Kind;
  found.number = record.number;
  if (record.kind == Kind::kExit || record.kind == Kind::kFinal) {
    // The first of them: a run's end is an exit, then a final.
    if (!found.ended) found.content_end = start;
    found.ended = true;
  } else {
    found.ended = false;
    found.number_before_end = record.number;
  }
  if (record.mark) found.applied.Take(*record.mark);
  if (record.kind == Kind::kHistory) TakeHistory(record, found);
  if (record.kind == Kind::kRun) {
    found.has_run = true;
    found.run = record.run;
    found.tags_wait = false;
  }
  for (const auto& [key, tag] : record.tag_changes) {
    const TagKeys::Outcome outcome = found.tag_keys.Set(key, tag, found.run.tags);
    found.tags_wait = found.tags_wait || outcome == TagKeys::Outcome::kChanged;
  }
}

}  // namespace

Expected<Recovered> Recover(int fd, uint64_t journal) {
  Recovered found;
  found.applied = AppliedEvents(journal);
  const Expected<LogEnd> end = ReadRecords(
      fd, OnDamage::kStop,
      [&](const ParsedRecord& record, uint64_t start) { TakeRecord(record, start, found); });
  if (!end) return Propagate(end);
  found.corrupt = end->corrupt;
  found.whole_end = end->whole_end;
  if (!found.ended) found.content_end = found.whole_end;
  return found;
}

}  // namespace flarebridge::wandb
