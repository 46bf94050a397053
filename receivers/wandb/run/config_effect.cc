// Parameters become entries of the run's config; tags become tags of the run, and entries of its
// config with what they say.
#include <algorithm>
#include <utility>
#include <vector>

#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/run_identity.h"

namespace flarebridge::wandb {

Expected<bool> ApplyConfig(RunOutput& out, uint64_t position, const Data& data) {
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  std::vector<std::pair<std::string, std::string>> items;
  if (data.type == DataType::kParameters && data.value.kind() == ValueKind::kMap) {
    data.value.ForEachPair(
        [&](std::string_view key, Value value) { items.emplace_back(key, ToJson(value)); });
  } else {
    items.emplace_back(data.tag, ToJson(data.value));
  }
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendConfig(number, items, &mark, record); });
  return true;
}

Expected<bool> ApplyTags(RunOutput& out, uint64_t position, const Data& data) {
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  std::vector<std::string>& tags = out.run.tags;
  std::vector<std::pair<std::string, std::string>> items;
  const auto add = [&](std::string_view key, const Value& value) {
    const std::string text = value.AsText()   ? std::string(*value.AsText())
                             : value.IsNull() ? ""
                                              : ToJson(value);
    const std::string tag(FitTag(text.empty() ? std::string(key) : std::string(key) + ":" + text));
    if (!tag.empty() && std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
    items.emplace_back(key, ToJson(value));
  };
  if (data.value.kind() == ValueKind::kMap) {
    data.value.ForEachPair(add);
  } else {
    add(data.tag, data.value);
  }
  const AppliedMark mark = out.rows.MarkAt(position);
  // The config first: the record that carries the mark is the last one of the event's effects.
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendConfig(number, items, nullptr, record); });
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendRun(number, out.run, &mark, record); });
  return true;
}

}  // namespace flarebridge::wandb
