#include "receivers/wandb/run/effects.h"

#include "events/names.h"

namespace flarebridge::wandb {
namespace {

bool HasLeaf(const Value& value) {
  if (value.kind() != ValueKind::kMap) return true;
  bool found = false;
  value.ForEachPair([&](std::string_view, Value child) { found = found || HasLeaf(child); });
  return found;
}

// False for empty dicts: they would become a record without content, which ends W&B's reader, or
// none at all.
bool HasContent(const Data& data) {
  const bool empty_dict = data.value.kind() == ValueKind::kMap && data.value.size() == 0;
  switch (data.type) {
    case DataType::kParameters:
    case DataType::kTag:
    case DataType::kTags:
      return !empty_dict;
    case DataType::kParameter:
    case DataType::kLogRecord:
      return true;
    default:
      return HasLeaf(data.value);
  }
}

}  // namespace

std::string_view WriterOf(const Data& data) {
  if (data.extra.IsNull()) return {};
  const std::string_view label =
      data.extra.Find("writer").value_or(Value()).AsText().value_or(std::string_view());
  return label.size() <= kMaxNameBytes ? label : std::string_view();
}

Expected<bool> ApplyData(RunOutput& out, uint64_t position, const Data& data,
                         Clock::time_point now) {
  if (!HasContent(data)) return false;
  switch (data.type) {
    case DataType::kScalar:
    case DataType::kMetric:
    case DataType::kScalars:
    case DataType::kMetrics:
      return ApplyRow(out, position, data, now);
    case DataType::kText:
      return data.path.empty() ? ApplyRow(out, position, data, now)
                               : ApplyFile(out, position, data);
    case DataType::kImage:
      return ApplyImage(out, position, data, now);
    case DataType::kMedia:
      return IsTable(data.value) ? ApplyTable(out, position, data, now)
                                 : ApplyMedia(out, position, data, now);
    case DataType::kParameter:
    case DataType::kParameters:
      return ApplyConfig(out, position, data);
    case DataType::kTag:
    case DataType::kTags:
      return ApplyTags(out, position, data, now);
    case DataType::kLogRecord:
      return ApplyLogLine(out, position, data);
    case DataType::kOperation:
      return ApplyOperation(out, position, data);
    default:
      return false;
  }
}

}  // namespace flarebridge::wandb
