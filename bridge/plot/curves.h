// The curves of metrics in several runs, taken row by row in bounded memory however many there are,
// also while the runs go on. Used by `show`. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/report/series_bins.h"
#include "receivers/run_reader.h"

namespace flarebridge {

class Curves {
 public:
  // Of all series together: 40 MiB in memory.
  static constexpr size_t kMostBins = size_t{1} << 20;
  // Of one series: three for each dot across a wide terminal.
  static constexpr size_t kMostBinsOfOne = 2'000;
  static constexpr size_t kMostMetrics = 1'000;

  // Of which metrics: names, or globs of them (* and ?). None: of the first `most` that come.
  explicit Curves(std::vector<std::string> wanted, size_t most = kMostMetrics);

  // Gives its place, which counts from 0.
  size_t AddRun();
  void Take(size_t run, const Row& row);
  // Nothing of the run was taken.
  void Forget(size_t run);

  // Those that have come, in the order of what was wanted, else of their first rows.
  std::vector<std::string> Metrics() const;
  // What of `wanted` no metric was.
  std::vector<std::string> Missing() const;
  // Null: the run has no value of it. Valid until the next call that is not const.
  const SeriesBins* Find(const std::string& metric, size_t run) const;

 private:
  struct Run {
    int64_t step = -1;
    double start;  // seconds since the epoch, NaN: no row has said
  };
  struct Metric {
    size_t wish = 0;                 // its place in wanted_
    size_t number = 0;               // its place among all
    std::vector<SeriesBins> series;  // by run; one without bins is none
  };
  // Null: nobody wants it, or there are too many.
  Metric* MetricOf(std::string_view name);
  SeriesBins& SeriesOf(Metric& metric, size_t run);
  size_t MostBinsOfOne() const;

  std::vector<std::string> wanted_;
  size_t most_;
  std::vector<Run> runs_;
  std::map<std::string, Metric, std::less<>> metrics_;
  size_t series_ = 0;  // that have bins
};

}  // namespace flarebridge
