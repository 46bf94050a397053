// Rows of what lines say, for people: what was logged at one step is one row, as far as its lines
// follow each other. Used by lines_summary.h. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "receivers/jsonl/line_fields.h"
#include "receivers/run_reader.h"

namespace flarebridge::jsonl {

class LineRows {
 public:
  // A row that has so many bytes is one, whatever comes.
  static constexpr size_t kMostBytes = size_t{10} << 20;

  // `emit` gets each row, with its step, and its time where a line says it.
  explicit LineRows(std::function<void(const Row& row)> emit) : emit_(std::move(emit)) {}

  // What a line says joins the row of its step. Without a step it joins the row of the step before;
  // where no line has had one, each is a row of its own, counted from 0. A key that a row has
  // already begins another row of the same step. `time`: JSON.
  void Take(std::optional<int64_t> step, std::string_view time, const Cells& cells);
  // The run's begin, in seconds since the epoch.
  void StartAt(double started) { started_ = started; }
  // Nothing more comes.
  void End() { Emit(); }

 private:
  bool Has(const Cells& cells) const;
  void Emit();

  std::function<void(const Row& row)> emit_;
  std::deque<std::pair<std::string, std::string>> cells_;  // stay where they are: keys_ has views
  std::unordered_set<std::string_view> keys_;
  size_t bytes_ = 0;
  int64_t step_ = -1;
  bool has_steps_ = false;  // some line had one
  std::string time_;
  std::optional<double> started_;
  Row row_;
};

}  // namespace flarebridge::jsonl
