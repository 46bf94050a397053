// A chart of one metric as lines for a terminal: curves, axes, and whose curve is which. Used by
// `show`. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bridge/plot/canvas.h"
#include "bridge/report/series_bins.h"

namespace flarebridge {

struct Chart {
  enum class Across { kStep, kTime };  // the time since each run's start
  struct Curve {
    std::string name;  // of the run
    std::string last;  // its last value, for people
    size_t run = 0;    // which mark it has, in all charts the same
    const SeriesBins* bins = nullptr;
  };
  std::string metric;
  std::vector<Curve> curves;
  size_t runs = 1;  // of all charts: so many have to be told apart
  Across across = Across::kStep;
  bool log = false;
};

// Narrower ones have no room for a curve beside its numbers.
inline constexpr size_t kLeastChartWidth = 20;
inline constexpr size_t kMostChartWidth = 300;

// `width`: columns of the whole. `rows`: lines of the curves alone, > 0. Of a value that a curve
// has more than once in a dot's width the least and the most are seen. What is no finite number, or
// below 0 on a logarithmic axis, is a gap, which the last lines tell.
std::vector<std::string> Draw(const Chart& chart, const Looks& looks, size_t width, size_t rows);

}  // namespace flarebridge
