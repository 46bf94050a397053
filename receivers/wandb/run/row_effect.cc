// Metrics, and texts without a file name, become values of a row.
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"

namespace flarebridge::wandb {
namespace {

// A dict's leaves become items whose path is that of the dicts they lie in; an empty dict vanishes,
// as W&B's SDK has it. `path` is the same again afterwards.
void AddLeaves(const Value& value, std::string& path, ItemList& items) {
  if (value.kind() != ValueKind::kMap) {
    items.AddWritten(path, [&](std::string& out) { AppendJson(value, out); });
    return;
  }
  value.ForEachPair([&](std::string_view key, Value child) {
    const size_t here = path.size();
    AppendPath(key, path);
    AddLeaves(child, path, items);
    path.resize(here);
  });
}

}  // namespace

Expected<bool> ApplyRow(RunOutput& out, uint64_t position, const Data& data,
                        Clock::time_point now) {
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const bool dict = data.value.kind() == ValueKind::kMap &&
                    (data.type == DataType::kScalars || data.type == DataType::kMetrics);
  out.path.clear();
  // A dict's keys stand for themselves, as in WandBReceiver; its tag ("metrics") says nothing. One
  // of TensorBoard's add_scalars has a tag that was chosen, and may be asked for.
  if (dict && out.prefix_scalars && data.writer == Writer::kTensorBoard) {
    data.value.ForEachPair([&](std::string_view key, Value value) {
      out.path = PathOf(std::string(data.tag) + "/" + std::string(key));
      AddLeaves(value, out.path, out.items);
    });
  } else {
    if (!dict) AppendPath(data.tag, out.path);
    AddLeaves(data.value, out.path, out.items);
  }
  out.rows.Add(position, data.step, TimeOf(data), out.items, now);
  return true;
}

}  // namespace flarebridge::wandb
