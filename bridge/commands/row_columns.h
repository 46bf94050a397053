// The keys of a run's rows as columns of a table. Used by `show`. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "events/error.h"
#include "receivers/readers.h"
#include "receivers/run_reader.h"

namespace flarebridge {

// The step, then the user's in the order of their first row, then the tracking system's own. A
// row's cells are found by their key, so that a table takes time for each cell and not for each
// pair of them.
class Columns {
 public:
  // Of all rows of a run, in one pass over it. Gives what the run says of itself.
  Expected<RunSummary> Take(const FoundRun& found);

  size_t size() const { return names_.size(); }
  const std::string& name(size_t column) const { return names_[column]; }
  // Characters of the longest value in it, as ForPeople() gives them.
  size_t width(size_t column) const { return widths_[column]; }
  // Values that have no column, because there are too many.
  uint64_t left_out() const { return left_out_; }

  // The row's values, one for each column, empty where it has none; valid until the next call.
  const std::vector<std::string_view>& Arrange(const Row& row);

 private:
  // A line that W&B takes has less than a million keys.
  static constexpr size_t kMost = size_t{1} << 20;
  static constexpr size_t kMostBytes = size_t{64} << 20;

  void Take(const Cell& cell);
  void Sort();

  std::deque<std::string> names_;  // stay where they are, for the keys of places_ are their views
  std::vector<size_t> widths_;
  std::unordered_map<std::string_view, size_t> places_;
  std::vector<std::string_view> cells_;
  size_t bytes_ = 0;  // of names
  uint64_t left_out_ = 0;
};

// A value's JSON with five significant digits, if it is a number with a fraction.
std::string ForPeople(std::string_view json);

}  // namespace flarebridge
