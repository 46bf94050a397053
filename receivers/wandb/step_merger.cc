#include "receivers/wandb/step_merger.h"

#include <algorithm>

namespace flarebridge::wandb {

void StepMerger::Add(uint64_t position, std::optional<int64_t> step, double time,
                     std::vector<Item>&& items, Time now) {
  if (!step) {
    // It belongs behind everything that came before it.
    ReleaseAll();
    last_step_ = last_step_ ? *last_step_ + 1 : 0;
    ready_.push_back({*last_step_, std::nullopt, time, std::move(items), {position}});
    return;
  }
  const auto [found, added] = waiting_.try_emplace(*step);
  Waiting& waiting = found->second;
  if (added) {
    waiting.row.step = *step;
    waiting.since = now;
    arrivals_.emplace_back(now, *step);
  }
  waiting.row.time = time;
  waiting.row.positions.push_back(position);
  if (last_step_ && *step <= *last_step_) ++late_;
  Merge(waiting.row, std::move(items));
  if (waiting_.size() > limits_.rows) ReleaseLowest();
}

void StepMerger::Merge(Row& row, std::vector<Item>&& items) {
  for (Item& item : items) {
    const auto same = std::find_if(row.items.begin(), row.items.end(),
                                   [&](const Item& other) { return other.path == item.path; });
    if (same == row.items.end()) {
      row.items.push_back(std::move(item));
    } else {
      same->json = std::move(item.json);
      ++overwritten_;
    }
  }
}

void StepMerger::ReleaseLowest() {
  Row row = std::move(waiting_.begin()->second.row);
  waiting_.erase(waiting_.begin());
  if (last_step_ && row.step < *last_step_) row.late_step = row.step;
  last_step_ = last_step_ ? std::max(*last_step_, row.step) : row.step;
  row.step = *last_step_;
  ready_.push_back(std::move(row));
}

void StepMerger::Release(Time now) {
  while (!arrivals_.empty()) {
    const auto [since, step] = arrivals_.front();
    const auto found = waiting_.find(step);
    const bool gone = found == waiting_.end() || found->second.since != since;
    if (!gone && now - since < limits_.window) return;
    arrivals_.pop_front();
    while (!gone && !waiting_.empty() && waiting_.begin()->first <= step) ReleaseLowest();
  }
}

void StepMerger::ReleaseAll() {
  while (!waiting_.empty()) ReleaseLowest();
  arrivals_.clear();
}

std::optional<StepMerger::Time> StepMerger::NextDue() const {
  if (waiting_.empty()) return std::nullopt;
  // The front may name a row that has gone; then this is early, and Release() clears it away.
  return arrivals_.front().first + limits_.window;
}

std::optional<uint64_t> StepMerger::LowestWaiting() const {
  std::optional<uint64_t> lowest;
  for (const auto& [step, waiting] : waiting_) {
    const uint64_t first = waiting.row.positions.front();
    if (!lowest || first < *lowest) lowest = first;
  }
  return lowest;
}

}  // namespace flarebridge::wandb
