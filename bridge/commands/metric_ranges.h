// A run's metrics for people: of each its last value, the lowest and the highest, in one pass over
// its rows. Used by `show`. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "receivers/run_reader.h"

namespace flarebridge {

struct MetricRange {
  std::string name;
  double last = 0;
  // Of the numbers that are finite; lowest > highest: there was none.
  double lowest, highest;
};

class MetricRanges {
 public:
  // Metrics beyond these are counted and not kept.
  static constexpr size_t kMost = 1000;

  void Take(const Row& row);

  // In the order of their first rows.
  const std::deque<MetricRange>& metrics() const { return metrics_; }
  // Null if there is none of this name.
  const MetricRange* Find(std::string_view name) const;
  // The time of the last row, in seconds since the epoch; 0: no row had one.
  double last_time() const { return last_time_; }

 private:
  MetricRange* Place(std::string_view name);

  std::deque<MetricRange> metrics_;  // stay where they are: places_ has views of their names
  std::unordered_map<std::string_view, size_t> places_;
  double last_time_ = 0;
};

}  // namespace flarebridge
