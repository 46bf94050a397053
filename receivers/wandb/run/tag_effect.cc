// Tags become tags of the run, one for each key, and entries of its config with what they say. The
// entry is written at once and says which tag has changed; the record with all of the run's tags
// follows within a second. What lies between is known from the entries (recovery.h).
#include <string>
#include <utility>
#include <vector>

#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"

namespace flarebridge::wandb {
namespace {

// A script may set a tag in each step, and each record holds all tags.
constexpr std::chrono::seconds kTagInterval{1};

}  // namespace

Expected<bool> ApplyTags(RunOutput& out, uint64_t position, const Data& data,
                         Clock::time_point now) {
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  std::vector<std::pair<std::string, std::string>> items;
  std::vector<std::pair<std::string, std::string>> changes;  // key, tag
  const auto add = [&](std::string_view key, const Value& value) {
    const std::string text = value.AsText()   ? std::string(*value.AsText())
                             : value.IsNull() ? ""
                                              : ToJson(value);
    const std::string tag(FitTag(text.empty() ? std::string(key) : std::string(key) + ":" + text));
    const TagKeys::Outcome outcome = out.tag_keys.Set(key, tag, out.run.tags);
    if (outcome == TagKeys::Outcome::kChanged) changes.emplace_back(key, tag);
    if (outcome == TagKeys::Outcome::kNoRoom) ++out.tags_left_out;
    items.emplace_back(key, ToJson(value));
  };
  if (data.value.kind() == ValueKind::kMap) {
    data.value.ForEachPair(add);
  } else {
    add(data.tag, data.value);
  }
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendConfig(number, items, &mark, record);
    for (const auto& [key, tag] : changes) AppendTagChange(key, tag, record);
  });
  out.tags_wait = out.tags_wait || !changes.empty();
  WriteTagsDue(out, now);
  return true;
}

std::optional<Clock::time_point> NextTags(const RunOutput& out) {
  if (!out.tags_wait || out.log.ended()) return std::nullopt;
  return out.tags_written ? *out.tags_written + kTagInterval : Clock::time_point{};
}

void WriteTagsDue(RunOutput& out, Clock::time_point now) {
  const std::optional<Clock::time_point> due = NextTags(out);
  if (!due || now < *due) return;
  WriteTags(out);
  out.tags_written = now;
}

void WriteTags(RunOutput& out) {
  if (!out.tags_wait || out.log.ended()) return;
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendRun(number, out.run, nullptr, record); });
  out.tags_wait = false;
}

}  // namespace flarebridge::wandb
