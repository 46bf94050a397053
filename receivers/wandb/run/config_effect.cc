// Parameters become entries of the run's config.
#include <utility>
#include <vector>

#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"

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

}  // namespace flarebridge::wandb
