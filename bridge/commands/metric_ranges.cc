#include "bridge/commands/metric_ranges.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "bridge/report/cell_value.h"

namespace flarebridge {

void MetricRanges::Take(const Row& row) {
  for (const Cell& cell : row) {
    const std::optional<double> number = NumberIn(cell.json);
    if (!number) continue;
    if (cell.key == kRowTime) last_time_ = *number;
    if (cell.key.starts_with('_')) continue;
    MetricRange* metric = Place(cell.key);
    if (metric == nullptr) continue;
    metric->last = *number;
    if (!std::isfinite(*number)) continue;
    metric->lowest = std::min(metric->lowest, *number);
    metric->highest = std::max(metric->highest, *number);
  }
}

const MetricRange* MetricRanges::Find(std::string_view name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &metrics_[found->second];
}

MetricRange* MetricRanges::Place(std::string_view name) {
  if (const auto found = places_.find(name); found != places_.end())
    return &metrics_[found->second];
  if (metrics_.size() >= kMost) return nullptr;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  metrics_.push_back({std::string(name), 0, kInfinity, -kInfinity});
  places_.emplace(metrics_.back().name, metrics_.size() - 1);
  return &metrics_.back();
}

}  // namespace flarebridge
