// Metrics, and texts without a file name, become values of a row.
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"

namespace flarebridge::wandb {
namespace {

// A dict's leaves become items whose path is that of the dicts they lie in; an empty dict vanishes,
// as W&B's SDK has it. `path` is the same again afterwards.
// What has no room in a row is left out: each leaf repeats the keys of all dicts around it, so that
// a small event may be a large row.
void AddLeaves(const Value& value, std::string& path, ItemList& items, LeftOut& left_out) {
  if (value.kind() != ValueKind::kMap) {
    if (!left_out.HasRoom(path.size(), items)) {
      left_out.Count(path);
      return;
    }
    items.AddWritten(path, [&](std::string& out) { AppendJson(value, out); });
    left_out.Fit(items);
    return;
  }
  value.ForEachPair([&](std::string_view key, Value child) {
    const size_t here = path.size();
    AppendPath(key, path);
    AddLeaves(child, path, items, left_out);
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
  LeftOut& left_out = out.rows.left_out();
  // A dict's keys stand for themselves, as in WandBReceiver; its tag ("metrics") says nothing. One
  // of TensorBoard's add_scalars has a tag that was chosen, and may be asked for.
  if (dict && out.prefix_scalars && data.writer == Writer::kTensorBoard) {
    data.value.ForEachPair([&](std::string_view key, Value value) {
      if (!left_out.HasRoom(data.tag.size() + key.size(), out.items)) {
        left_out.Count(PathOf(key));
        return;
      }
      out.path = PathOf(std::string(data.tag) + "/" + std::string(key));
      AddLeaves(value, out.path, out.items, left_out);
    });
  } else {
    if (!dict) AppendPath(data.tag, out.path);
    AddLeaves(data.value, out.path, out.items, left_out);
  }
  out.rows.Add(position, data.step, TimeOf(data), out.items, now, WriterOf(data));
  return true;
}

}  // namespace flarebridge::wandb
