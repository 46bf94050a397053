#include "bridge/plot/curves.h"

#include <fnmatch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "bridge/report/cell_value.h"
#include "bridge/report/row_place.h"

namespace flarebridge {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

bool IsMeant(const std::string& name, const std::string& word) {
  return name == word || fnmatch(word.c_str(), name.c_str(), FNM_NOESCAPE) == 0;
}

}  // namespace

Curves::Curves(std::vector<std::string> wanted, size_t most)
    : wanted_(std::move(wanted)), most_(std::min(most, kMostMetrics)) {}

size_t Curves::AddRun() {
  runs_.push_back({-1, kNone});
  return runs_.size() - 1;
}

void Curves::Take(size_t run, const Row& row) {
  Run& at = runs_[run];
  const RowPlace place = PlaceOf(row, at.step);
  at.step = place.step;
  if (std::isnan(at.start)) at.start = place.Start();
  const auto time = static_cast<float>(place.time - at.start);
  for (const Cell& cell : row) {
    if (cell.key.starts_with('_')) continue;
    const std::optional<double> number = NumberIn(cell.json);
    if (!number) continue;
    Metric* metric = MetricOf(cell.key);
    if (metric != nullptr) SeriesOf(*metric, run).Add(place.step, *number, time, MostBinsOfOne());
  }
}

void Curves::Forget(size_t run) {
  runs_[run] = {-1, kNone};
  for (auto& [name, metric] : metrics_) {
    if (run >= metric.series.size() || metric.series[run].bins().empty()) continue;
    metric.series[run] = {};
    --series_;
  }
}

Curves::Metric* Curves::MetricOf(std::string_view name) {
  if (const auto found = metrics_.find(name); found != metrics_.end()) return &found->second;
  if (metrics_.size() >= most_) return nullptr;
  const std::string key(name);
  const auto wish = std::find_if(wanted_.begin(), wanted_.end(),
                                 [&](const std::string& word) { return IsMeant(key, word); });
  if (!wanted_.empty() && wish == wanted_.end()) return nullptr;
  Metric metric{static_cast<size_t>(wish - wanted_.begin()), metrics_.size(), {}};
  return &metrics_.emplace(key, std::move(metric)).first->second;
}

SeriesBins& Curves::SeriesOf(Metric& metric, size_t run) {
  if (metric.series.size() <= run) metric.series.resize(run + 1);
  SeriesBins& series = metric.series[run];
  if (!series.bins().empty()) return series;
  ++series_;
  // There is less room for each from now on.
  constexpr size_t kNowAndThen = 0xFF;
  if (MostBinsOfOne() < kMostBinsOfOne && (series_ & kNowAndThen) == 0) {
    for (auto& [name, other] : metrics_)
      for (SeriesBins& bins : other.series) bins.Fit(MostBinsOfOne());
  }
  return series;
}

size_t Curves::MostBinsOfOne() const {
  return std::clamp(kMostBins / std::max<size_t>(series_, 1), SeriesBins::kFewest, kMostBinsOfOne);
}

std::vector<std::string> Curves::Metrics() const {
  std::vector<std::pair<std::pair<size_t, size_t>, std::string>> sorted;
  sorted.reserve(metrics_.size());
  for (const auto& [name, metric] : metrics_)
    sorted.push_back({{metric.wish, metric.number}, name});
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::string> names;
  names.reserve(sorted.size());
  for (auto& [place, name] : sorted) names.push_back(std::move(name));
  return names;
}

std::vector<std::string> Curves::Missing() const {
  std::vector<std::string> missing;
  for (const std::string& word : wanted_) {
    const bool any = std::any_of(metrics_.begin(), metrics_.end(),
                                 [&](const auto& entry) { return IsMeant(entry.first, word); });
    if (!any) missing.push_back(word);
  }
  return missing;
}

const SeriesBins* Curves::Find(const std::string& metric, size_t run) const {
  const auto found = metrics_.find(metric);
  if (found == metrics_.end() || run >= found->second.series.size()) return nullptr;
  const SeriesBins& series = found->second.series[run];
  return series.bins().empty() ? nullptr : &series;
}

}  // namespace flarebridge
