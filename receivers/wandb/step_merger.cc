#include "receivers/wandb/step_merger.h"

#include <algorithm>
#include <limits>

namespace flarebridge::wandb {
namespace {

size_t BytesOf(const Item& item) { return item.path.size() + item.json.size(); }

}  // namespace

void StepMerger::Add(uint64_t position, std::optional<int64_t> step, double time,
                     std::vector<Item>&& items, Time now) {
  if (time < latest_time_) {
    ++reordered_;
    last_disorder_ = now;
  }
  latest_time_ = std::max(latest_time_, time);
  if (!step) {
    // It belongs behind everything that came before it.
    ReleaseAll();
    last_step_ = NextStep();
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
  Merge(waiting, std::move(items));
  while (waiting_.size() > limits_.rows || bytes_ > limits_.bytes) ReleaseLowest();
}

Item* StepMerger::Waiting::Find(const std::string& path) {
  // Comparing is faster than hashing for the few keys of most rows; thousands of keys that come one
  // by one would take the square of that.
  constexpr size_t kFew = 32;
  std::vector<Item>& items = row.items;
  if (items.size() <= kFew) {
    const auto same = std::find_if(items.begin(), items.end(),
                                   [&](const Item& item) { return item.path == path; });
    return same == items.end() ? nullptr : &*same;
  }
  for (; indexed < items.size(); ++indexed) index.emplace(items[indexed].path, indexed);
  const auto same = index.find(path);
  return same == index.end() ? nullptr : &items[same->second];
}

void StepMerger::Merge(Waiting& waiting, std::vector<Item>&& items) {
  bytes_ -= waiting.bytes;
  for (const Item& item : items) waiting.bytes += BytesOf(item);
  if (waiting.row.items.empty()) {
    waiting.row.items = std::move(items);
  } else {
    for (Item& item : items) {
      if (Item* same = waiting.Find(item.path)) {
        waiting.bytes -= BytesOf(*same);
        same->json = std::move(item.json);
        ++overwritten_;
      } else {
        waiting.row.items.push_back(std::move(item));
      }
    }
  }
  bytes_ += waiting.bytes;
}

void StepMerger::ReleaseLowest() {
  bytes_ -= waiting_.begin()->second.bytes;
  Row row = std::move(waiting_.begin()->second.row);
  waiting_.erase(waiting_.begin());
  if (last_step_ && row.step <= *last_step_) {
    row.own_step = row.step;
    row.step = NextStep();
  }
  last_step_ = row.step;
  ready_.push_back(std::move(row));
}

int64_t StepMerger::NextStep() const {
  if (!last_step_) return 0;
  return *last_step_ == std::numeric_limits<int64_t>::max() ? *last_step_ : *last_step_ + 1;
}

std::chrono::milliseconds StepMerger::WindowAt(Time now) const {
  const bool disorder = last_disorder_ && now - *last_disorder_ < limits_.disorder_memory;
  return disorder ? limits_.disorder_window : limits_.window;
}

void StepMerger::Release(Time now) {
  while (!arrivals_.empty()) {
    const auto [since, step] = arrivals_.front();
    const auto found = waiting_.find(step);
    const bool gone = found == waiting_.end() || found->second.since != since;
    if (!gone && now - since < WindowAt(now)) return;
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
  const Time since = arrivals_.front().first;
  return since + WindowAt(since + limits_.window);
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
