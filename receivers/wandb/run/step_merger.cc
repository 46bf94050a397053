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
    row.automatic = false;
    row.writer.clear();
    spare_rows_.push_back(std::move(row));
  }
  ready_.clear();
}

// --- what comes ---

void StepMerger::Add(uint64_t position, std::optional<int64_t> step, double time, ItemList& items,
                     Time now) {
  // Beside the record before, not the latest of all: one clock that is wrong once is no disorder
  // for ever.
  if (time < previous_time_) {
    ++reordered_;
    last_disorder_ = now;
  }
  previous_time_ = time;
  if (step) ReleaseRepeated(*step, items, now);
  if (!step) {
    AddStepless(position, time, items, now);
  } else if (!last_step_ || *step > *last_step_ || waiting_.contains(*step)) {
    AddInTime(position, *step, time, items, now);
  } else {
    AddLate(position, *step, time, items, now);
  }
  while (waiting_.size() > limits_.rows || bytes_ > limits_.bytes) ReleaseLowest();
  ForgetGone();
  KeepBounds(position);
}

void StepMerger::AddOf(std::string_view writer, uint64_t position, std::optional<int64_t> step,
                       double time, ItemList& items, Time now) {
  // Nobody's rows and those of writers take numbers from one count: the former go first.
  ReleaseUnlabelled();
  if (!writers_) {
    writers_.emplace(
        WriterRows::Limits{limits_.window, limits_.open_window, limits_.rows, limits_.bytes});
  }
  writers_->Add(writer, position, step, time, items, now);
  NumberRowsOfWriters();
  KeepBounds(position);
}

void StepMerger::NumberRowsOfWriters() {
  for (Row& row : writers_->complete()) {
    last_step_ = row.step = NextStep();
    ready_.push_back(std::move(row));
  }
  writers_->complete().clear();
}

void StepMerger::ReleaseRepeated(int64_t step, const ItemList& items, Time now) {
  // Asked for each record: only the open row can be older than the window.
  if (waiting_.empty() || waiting_.rbegin()->first != step) return;
  Waiting& open = waiting_.rbegin()->second;
  if (now - open.since >= limits_.window && open.row.items.SharesPath(items)) ReleaseWaiting();
}

void StepMerger::AddInTime(uint64_t position, int64_t step, double time, ItemList& items,
                           Time now) {
  if (anew_) ReleaseBeside(step);
  anew_ = false;
  automatic_ = false;
  late_own_.reset();
  first_own_ = std::min(first_own_.value_or(step), step);
  Join(WaitingOf(step, position, now), position, time, items);
}

void StepMerger::AddLate(uint64_t position, int64_t step, double time, ItemList& items, Time now) {
  ++late_;
  automatic_ = false;
  // One that goes back to where the steps began may be a straggler; one that goes on from there is
  // not.
  if (!anew_ && first_own_ && late_own_ && late_own_ == first_own_ && step > *late_own_) {
    anew_ = true;
    ReleaseWaiting();
  }
  late_own_ = step;
  if (beside_ && beside_->row.own_step == step) {
    Join(*beside_, position, time, items);
  } else {
    Beside(position, step, time, items, now);
  }
}

void StepMerger::AddStepless(uint64_t position, double time, ItemList& items, Time now) {
  if (automatic_) {
    last_step_ = NextStep();
    Row row = NewRow();
    row.step = *last_step_;
    row.automatic = true;
    row.time = time;
    row.positions.push_back(position);
    std::swap(row.items, items);
    ready_.push_back(std::move(row));
    return;
  }
  ++stepless_;
  Waiting* open = nullptr;
  if (anew_ && beside_) {
    open = &*beside_;
  } else if (!waiting_.empty()) {
    open = &waiting_.rbegin()->second;
  }
  if (open != nullptr && !open->row.items.SharesPath(items)) {
    Join(*open, position, time, items);
  } else {
    Beside(position, std::nullopt, time, items, now);
  }
}

void StepMerger::Beside(uint64_t position, std::optional<int64_t> own_step, double time,
                        ItemList& items, Time now) {
  ReleaseBeside(std::nullopt);
  beside_ = Waiting();
  beside_->row = NewRow();
  beside_->row.own_step = own_step;
  beside_->since = now;
  arrivals_.push_back({position, 0, true});
  Join(*beside_, position, time, items);
}

StepMerger::Waiting& StepMerger::WaitingOf(int64_t step, uint64_t position, Time now) {
  // Steps rise nearly always: the place is known then.
  const bool highest = waiting_.empty() || waiting_.rbegin()->first < step;
  if (!highest) {
    if (const auto found = waiting_.find(step); found != waiting_.end()) return found->second;
    passed_.push_back({now, step, position});
  } else if (!waiting_.empty()) {
    const auto& [passed, row] = *waiting_.rbegin();
    passed_.push_back({now, passed, row.row.positions.front()});
  }
  arrivals_.push_back({position, step, false});
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
  waiting->since = now;
  return *waiting;
}

void StepMerger::Join(Waiting& waiting, uint64_t position, double time, ItemList& items) {
  waiting.row.time = time;
  waiting.row.positions.push_back(position);
  ItemList& held = waiting.row.items;
  if (held.empty()) {
    std::swap(held, items);
  } else {
    overwritten_ += held.TakeAll(items);
  }
  bytes_ += held.encoded().size() - waiting.bytes;
  waiting.bytes = held.encoded().size();
}

// --- what goes ---

int64_t StepMerger::NextStep() const {
  if (!last_step_) return 0;
  return *last_step_ == std::numeric_limits<int64_t>::max() ? *last_step_ : *last_step_ + 1;
}

int64_t StepMerger::NumberBeside(std::optional<int64_t> below) const {
  if (!waiting_.empty()) below = std::min(below.value_or(INT64_MAX), waiting_.begin()->first);
  const int64_t next = NextStep();
  if (below && next < *below) return next;
  // Nobody knows what comes: only steps that begin anew leave the numbers behind them free.
  if (!below && anew_) return next;
  return last_step_.value_or(below ? std::min<int64_t>(*below, 0) : 0);
}

void StepMerger::ReleaseBeside(std::optional<int64_t> below) {
  if (!beside_) return;
  Row row = std::move(beside_->row);
  bytes_ -= beside_->bytes;
  beside_.reset();
  row.step = NumberBeside(below);
  if (row.own_step == row.step) row.own_step.reset();
  last_step_ = row.step;
  ready_.push_back(std::move(row));
}

void StepMerger::ReleaseLowest() {
  if (waiting_.empty()) {
    ReleaseBeside(std::nullopt);
    return;
  }
  Rows::node_type node = waiting_.extract(waiting_.begin());
  bytes_ -= node.mapped().bytes;
  Row row = std::move(node.mapped().row);
  if (spare_nodes_.size() < kSpareRows) spare_nodes_.push_back(std::move(node));
  last_step_ = row.step;
  ready_.push_back(std::move(row));
}

void StepMerger::ReleaseWaiting() {
  while (!waiting_.empty()) ReleaseLowest();
}

void StepMerger::ReleaseAll() {
  ReleaseUnlabelled();
  if (!writers_) return;
  writers_->ReleaseAll();
  NumberRowsOfWriters();
}

void StepMerger::ReleaseUnlabelled() {
  // What came beside rows that are still here came before what they would be closed by.
  if (!anew_) ReleaseBeside(std::nullopt);
  ReleaseWaiting();
  ReleaseBeside(std::nullopt);
  arrivals_.clear();
  passed_.clear();
}

std::chrono::milliseconds StepMerger::WindowAt(Time now) const {
  const bool disorder = last_disorder_ && now - *last_disorder_ < limits_.disorder_memory;
  return disorder ? limits_.disorder_window : limits_.window;
}

StepMerger::Time StepMerger::BesideDue() const {
  return beside_->since + (anew_ ? limits_.open_window : limits_.window);
}

void StepMerger::Release(Time now, uint64_t given) {
  if (beside_ && now >= BesideDue()) ReleaseBeside(std::nullopt);
  while (!passed_.empty() && now - passed_.front().since >= WindowAt(now)) {
    const int64_t step = passed_.front().step;
    while (!waiting_.empty() && waiting_.begin()->first <= step) ReleaseLowest();
    ForgetGone();
  }
  if (!waiting_.empty() && now - waiting_.rbegin()->second.since >= limits_.open_window)
    ReleaseWaiting();
  if (writers_) {
    writers_->Release(now);
    NumberRowsOfWriters();
  }
  ForgetGone();
  KeepBounds(given);
}

void StepMerger::KeepBounds(uint64_t given) {
  const std::optional<uint64_t> lowest = LowestWaiting();
  if (lowest && given > *lowest && given - *lowest > limits_.positions) ReleaseAll();
}

std::optional<StepMerger::Time> StepMerger::NextDue() const {
  std::optional<Time> due;
  const auto consider = [&due](Time time) { due = std::min(due.value_or(time), time); };
  if (!passed_.empty()) {
    const Time since = passed_.front().since;
    consider(since + WindowAt(since + limits_.window));
  }
  if (!waiting_.empty()) consider(waiting_.rbegin()->second.since + limits_.open_window);
  if (beside_) consider(BesideDue());
  if (writers_ && writers_->NextDue()) consider(*writers_->NextDue());
  return due;
}

// --- what waits ---

const StepMerger::Row* StepMerger::open_row() const {
  return waiting_.empty() ? nullptr : &waiting_.rbegin()->second.row;
}

std::optional<uint64_t> StepMerger::LowestWaiting() const {
  std::optional<uint64_t> lowest;
  if (!arrivals_.empty()) lowest = arrivals_.front().position;
  const std::optional<uint64_t> of_writers = writers_ ? writers_->LowestWaiting() : std::nullopt;
  if (of_writers) lowest = std::min(lowest.value_or(*of_writers), *of_writers);
  return lowest;
}

bool StepMerger::IsGone(const Arrival& arrival) const {
  if (arrival.beside) return !beside_ || beside_->row.positions.front() != arrival.position;
  const auto found = waiting_.find(arrival.step);
  return found == waiting_.end() || found->second.row.positions.front() != arrival.position;
}

bool StepMerger::IsGone(const Passed& passed) const {
  return IsGone(Arrival{passed.position, passed.step, false});
}

void StepMerger::ForgetGone() {
  while (!arrivals_.empty() && IsGone(arrivals_.front())) arrivals_.pop_front();
  while (!passed_.empty() && IsGone(passed_.front())) passed_.pop_front();
}

}  // namespace flarebridge::wandb
