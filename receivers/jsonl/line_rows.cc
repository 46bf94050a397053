#include "receivers/jsonl/line_rows.h"

#include <algorithm>

#include "receivers/json.h"

namespace flarebridge::jsonl {

void LineRows::Take(std::optional<int64_t> step, std::string_view time, const Cells& cells) {
  if (cells.empty()) return;
  const bool joins = step ? has_steps_ && *step == step_ : has_steps_;
  if (!joins || Has(cells) || bytes_ > kMostBytes) Emit();
  if (step) {
    step_ = *step;
    has_steps_ = true;
  } else if (!has_steps_) {
    ++step_;
  }
  time_ = time;
  for (const auto& [key, json] : cells) {
    if (keys_.contains(key)) continue;  // a dict has a key once
    keys_.insert(cells_.emplace_back(key, json).first);
    bytes_ += key.size() + json.size();
  }
}

bool LineRows::Has(const Cells& cells) const {
  return std::any_of(cells.begin(), cells.end(),
                     [this](const auto& cell) { return keys_.contains(cell.first); });
}

void LineRows::Emit() {
  if (cells_.empty()) return;
  const std::string step = std::to_string(step_);
  const std::optional<double> time = NumberOf(time_);
  const std::string runtime = time && started_ ? ToJson(*time - *started_) : "";
  row_.assign({{kRowStep, step}});
  if (time) row_.push_back({kRowTime, time_});
  if (!runtime.empty()) row_.push_back({kRowRuntime, runtime});
  for (const auto& [key, json] : cells_) row_.push_back({key, json});
  emit_(row_);
  keys_.clear();
  cells_.clear();
  bytes_ = 0;
}

}  // namespace flarebridge::jsonl
