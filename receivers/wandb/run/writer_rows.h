// Rows of several writers that share a run, each known by its label: records of one label and step
// become one row. A writer has one row open, which is complete when it logs another step. A writer
// that goes on at its last step after a while, with a value that the row has already, begins
// another row. Pure, with the clock passed in. Used by StepMerger, which numbers the rows; one
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "receivers/wandb/run/merged_row.h"

namespace flarebridge::wandb {

class WriterRows {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Limits {
    std::chrono::milliseconds repeat_window{};  // a value that comes again within it replaces
    std::chrono::milliseconds open_window{};    // how long a row stays open
    size_t writers = 0;                         // with an open row; beyond it the oldest row goes
    size_t bytes = 0;                           // of open rows; beyond it the oldest ones go
  };

  explicit WriterRows(const Limits& limits) : limits_(limits) {}

  // As StepMerger::AddOf(). Without a step a record joins the writer's open row if it can.
  void Add(std::string_view writer, uint64_t position, std::optional<int64_t> step, double time,
           ItemList& items, Time now);
  void Release(Time now);
  void ReleaseAll();
  // Complete rows, the first one first; whoever takes them clears the list. Their number is not
  // given yet.
  std::vector<MergedRow>& complete() { return complete_; }

  std::optional<Time> NextDue() const;
  // The lowest position of an open row.
  std::optional<uint64_t> LowestWaiting() const;
  // Values replaced by a later one of their row.
  uint64_t overwritten() const { return overwritten_; }

 private:
  struct Open {
    MergedRow row;
    size_t bytes = 0;
    Time since{};  // its first record came
  };
  using Rows = std::map<std::string, Open, std::less<>>;

  bool Joins(Open& open, std::optional<int64_t> step, const ItemList& items, Time now);
  Rows::iterator Begin(std::string_view writer, uint64_t position, std::optional<int64_t> step,
                       Time now);
  void Complete(Rows::iterator open);
  // The row that was begun first.
  Rows::iterator Oldest();

  Limits limits_;
  Rows open_;
  std::map<uint64_t, std::string> by_position_;  // of each open row's first record: whose it is
  std::vector<MergedRow> complete_;
  size_t bytes_ = 0;
  uint64_t overwritten_ = 0;
};

}  // namespace flarebridge::wandb
