#include "receivers/wandb/upload/sent_records.h"

#include <algorithm>
#include <charconv>

#include "receivers/wandb/upload/json_object.h"
#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {
namespace {

using Item = ParsedRecord::ParsedItem;

bool IsStep(const Item& item) { return item.path.size() == 1 && item.path.front() == "_step"; }

enum class Fitness : uint8_t { kFit, kNotJson, kTooDeep };

Fitness FitnessOf(const Item& item) {
  const std::optional<size_t> depth = JsonDepth(item.json);
  if (!depth) return Fitness::kNotJson;
  return item.path.size() + *depth > JsonObject::kMaxDepth ? Fitness::kTooDeep : Fitness::kFit;
}

bool IsUnfit(const Item& item) { return FitnessOf(item) != Fitness::kFit; }

}  // namespace

void SentRecords::CountOn(int64_t first_step) {
  counts_on_ = true;
  next_step_ = first_step;
}

ParsedRecord& SentRecords::Copy(const ParsedRecord& record) {
  if (&record != &copy_) copy_ = record;
  return copy_;
}

const ParsedRecord& SentRecords::Of(const ParsedRecord& record) {
  const ParsedRecord* sent = &record;
  if (std::any_of(record.items.begin(), record.items.end(), IsUnfit)) {
    ParsedRecord& copy = Copy(record);
    std::erase_if(copy.items, [this](const Item& item) {
      const Fitness fitness = FitnessOf(item);
      if (fitness == Fitness::kNotJson) ++not_json_;
      if (fitness == Fitness::kTooDeep) ++too_deep_;
      return fitness != Fitness::kFit;
    });
    sent = &copy;
  }
  if (record.kind == ParsedRecord::Kind::kHistory) {
    if (counts_on_) {
      CountStep(Copy(*sent));
      sent = &copy_;
    }
    next_step_ = sent->step + 1;
  }
  // The summary's step is that of the last row, which the log's own numbers do not tell.
  if (counts_on_ && record.kind == ParsedRecord::Kind::kSummary) {
    std::erase_if(Copy(*sent).items, IsStep);
    sent = &copy_;
  }
  return *sent;
}

void SentRecords::CountStep(ParsedRecord& record) {
  record.step = std::max(record.step, *next_step_);
  step_ = std::to_string(record.step);
  for (Item& item : record.items) {
    if (IsStep(item)) item.json = step_;
  }
}

std::optional<int64_t> StepOf(const std::string& row) {
  std::optional<int64_t> step;
  VisitMembers(row, [&](const std::string& key, std::string_view json) {
    if (key != "_step") return;
    int64_t number = 0;
    const auto [end, error] = std::from_chars(json.data(), json.data() + json.size(), number);
    if (error == std::errc() && end == json.data() + json.size()) step = number;
  });
  return step;
}

}  // namespace flarebridge::wandb
