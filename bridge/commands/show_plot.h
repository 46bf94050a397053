// `flarebridge show --plot`: the curves of runs, a chart for each metric. Used by `show`.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bridge/commands/show_list.h"
#include "bridge/plot/chart.h"
#include "bridge/plot/curves.h"
#include "events/error.h"

namespace flarebridge {

struct PlotChoice {
  std::vector<std::string> metrics;  // names or globs; none: the first ones
  bool time = false;                 // over the time since each run's start, else over steps
  bool log = false;
};

// Metrics that are drawn where none are named.
inline constexpr size_t kUnnamedCharts = 12;

// Lines of a chart's curves where there is room for any number of lines.
inline constexpr size_t kRowsOfChart = 12;

// The curves that the choice means, still without a run.
Curves CurvesFor(const PlotChoice& choice);

// A chart for each metric, of the runs that have it, by the order of the list. The places of its
// runs are those in `curves`.
std::vector<Chart> ChartsOf(const RunList& list, const Curves& curves, const PlotChoice& choice);

// Which of the metrics that were named no run has, and which there are; nothing: it has all.
std::string MissingWords(const RunList& list, const Curves& curves);
// How many metrics are not drawn, if so many of the charts are; nothing: all are.
std::string MoreWords(const RunList& list, size_t charts, size_t drawn, const PlotChoice& choice);

// The list of the runs, then the charts, on standard output. Gives the exit status.
int ShowPlots(const std::vector<FoundRun>& runs, const std::string& below,
              const PlotChoice& choice);

}  // namespace flarebridge
