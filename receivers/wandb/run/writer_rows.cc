#include "receivers/wandb/run/writer_rows.h"

#include <algorithm>
#include <utility>

namespace flarebridge::wandb {

void WriterRows::Add(std::string_view writer, uint64_t position, std::optional<int64_t> step,
                     double time, ItemList& items, Time now) {
  auto open = open_.find(writer);
  if (open != open_.end() && !Joins(open->second, step, items, now)) {
    Complete(open);
    open = open_.end();
  }
  if (open == open_.end()) open = Begin(writer, position, step, now);
  MergedRow& row = open->second.row;
  row.time = time;
  row.positions.push_back(position);
  if (row.items.empty()) {
    std::swap(row.items, items);
  } else {
    overwritten_ += row.items.TakeAll(items);
  }
  bytes_ += row.items.encoded().size() - open->second.bytes;
  open->second.bytes = row.items.encoded().size();
  while (open_.size() > limits_.writers || (bytes_ > limits_.bytes && !open_.empty()))
    Complete(Oldest());
}

bool WriterRows::Joins(Open& open, std::optional<int64_t> step, const ItemList& items, Time now) {
  if (step && step != open.row.own_step) return false;
  if (step && now - open.since < limits_.repeat_window) return true;
  return !open.row.items.SharesPath(items);
}

WriterRows::Rows::iterator WriterRows::Begin(std::string_view writer, uint64_t position,
                                             std::optional<int64_t> step, Time now) {
  const auto open = open_.emplace(std::string(writer), Open()).first;
  open->second.row.own_step = step;
  open->second.row.automatic = true;
  open->second.row.writer = writer;
  open->second.since = now;
  by_position_.emplace(position, writer);
  return open;
}

void WriterRows::Complete(Rows::iterator open) {
  bytes_ -= open->second.bytes;
  by_position_.erase(open->second.row.positions.front());
  complete_.push_back(std::move(open->second.row));
  open_.erase(open);
}

WriterRows::Rows::iterator WriterRows::Oldest() { return open_.find(by_position_.begin()->second); }

void WriterRows::Release(Time now) {
  // Rows are begun in the order of their positions.
  while (!open_.empty() && now - Oldest()->second.since >= limits_.open_window) Complete(Oldest());
}

void WriterRows::ReleaseAll() {
  while (!open_.empty()) Complete(Oldest());
}

std::optional<WriterRows::Time> WriterRows::NextDue() const {
  if (open_.empty()) return std::nullopt;
  return open_.find(by_position_.begin()->second)->second.since + limits_.open_window;
}

std::optional<uint64_t> WriterRows::LowestWaiting() const {
  if (by_position_.empty()) return std::nullopt;
  return by_position_.begin()->first;
}

}  // namespace flarebridge::wandb
