#include "receivers/wandb/run/step_merger.h"

#include <algorithm>
#include <limits>

namespace flarebridge::wandb {
namespace {

// Rows that are kept for use again, and the bytes of one at most: more rows than that never wait.
constexpr size_t kSpareRows = 512;
constexpr size_t kSpareBytes = size_t{4} << 10;

}  // namespace

StepMerger::Row StepMerger::NewRow() {
  if (spare_rows_.empty()) return {};
  Row row = std::move(spare_rows_.back());
  spare_rows_.pop_back();
  return row;
}

void StepMerger::ClearReady() {
  for (Row& row : ready_) {
    if (spare_rows_.size() >= kSpareRows || row.items.capacity() > kSpareBytes) continue;
    row.items.Clear();
    row.positions.clear();
    row.own_step.reset();
    spare_rows_.push_back(std::move(row));
  }
  ready_.clear();
}

StepMerger::Waiting& StepMerger::WaitingOf(int64_t step, uint64_t position, Time now) {
  // Steps rise nearly always: the place is known then.
  const bool highest = waiting_.empty() || waiting_.rbegin()->first < step;
  if (!highest) {
    if (const auto found = waiting_.find(step); found != waiting_.end()) return found->second;
  }
  arrivals_.push_back({now, step, position});
  Waiting* waiting = nullptr;
  if (spare_nodes_.empty()) {
    waiting = &waiting_.try_emplace(waiting_.end(), step)->second;
  } else {
    Rows::node_type node = std::move(spare_nodes_.back());
    spare_nodes_.pop_back();
    node.key() = step;
    waiting = &waiting_.insert(waiting_.end(), std::move(node))->second;
  }
  waiting->row = NewRow();
  waiting->row.step = step;
  waiting->bytes = 0;
  return *waiting;
}

void StepMerger::Add(uint64_t position, std::optional<int64_t> step, double time, ItemList& items,
                     Time now) {
  if (time < latest_time_) {
    ++reordered_;
    last_disorder_ = now;
  }
  latest_time_ = std::max(latest_time_, time);
  if (!step) {
    // It belongs behind everything that came before it.
    ReleaseAll();
    last_step_ = NextStep();
    Row row = NewRow();
    row.step = *last_step_;
    row.time = time;
    row.positions.push_back(position);
    std::swap(row.items, items);
    ready_.push_back(std::move(row));
    return;
  }
  Waiting& waiting = WaitingOf(*step, position, now);
  waiting.row.time = time;
  waiting.row.positions.push_back(position);
  if (last_step_ && *step <= *last_step_) ++late_;
  Merge(waiting, items);
  while (waiting_.size() > limits_.rows || bytes_ > limits_.bytes) ReleaseLowest();
  ForgetGone();
}

void StepMerger::Merge(Waiting& waiting, ItemList& items) {
  ItemList& held = waiting.row.items;
  if (held.empty()) {
    std::swap(held, items);
  } else {
    for (size_t i = 0; i < items.size(); ++i) {
      if (const std::optional<size_t> same = held.Find(items.path(i))) {
        held.Set(*same, items.json(i));
        ++overwritten_;
      } else {
        held.Add(items.path(i), items.json(i));
      }
    }
    items.Clear();
  }
  bytes_ += held.encoded().size() - waiting.bytes;
  waiting.bytes = held.encoded().size();
}

void StepMerger::ReleaseLowest() {
  Rows::node_type node = waiting_.extract(waiting_.begin());
  bytes_ -= node.mapped().bytes;
  Row row = std::move(node.mapped().row);
  if (spare_nodes_.size() < kSpareRows) spare_nodes_.push_back(std::move(node));
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

bool StepMerger::IsGone(const Arrival& arrival) const {
  const auto found = waiting_.find(arrival.step);
  return found == waiting_.end() || found->second.row.positions.front() != arrival.position;
}

void StepMerger::ForgetGone() {
  while (!arrivals_.empty() && IsGone(arrivals_.front())) arrivals_.pop_front();
}

void StepMerger::Release(Time now) {
  while (!arrivals_.empty() && now - arrivals_.front().since >= WindowAt(now)) {
    const int64_t step = arrivals_.front().step;
    while (!waiting_.empty() && waiting_.begin()->first <= step) ReleaseLowest();
    ForgetGone();
  }
}

void StepMerger::ReleaseAll() {
  while (!waiting_.empty()) ReleaseLowest();
  arrivals_.clear();
}

std::optional<StepMerger::Time> StepMerger::NextDue() const {
  if (arrivals_.empty()) return std::nullopt;
  const Time since = arrivals_.front().since;
  return since + WindowAt(since + limits_.window);
}

std::optional<uint64_t> StepMerger::LowestWaiting() const {
  if (arrivals_.empty()) return std::nullopt;
  return arrivals_.front().position;
}

}  // namespace flarebridge::wandb
