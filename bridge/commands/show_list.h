// `flarebridge show` of a folder: its runs, sorted by site, and their metrics. Used by `show`.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/commands/metric_ranges.h"
#include "receivers/readers.h"
#include "receivers/run_reader.h"

namespace flarebridge {

// A run as lists and choices need it: of its config and summary nothing is kept.
struct ListedRun {
  FoundRun found;
  RunSummary summary;
  MetricRanges ranges;
  std::string name;  // the short one
  size_t place = 0;  // among the runs as they were found
};
struct RunList {
  std::vector<std::shared_ptr<ListedRun>> runs;  // sorted by site (or name), then by their start
  std::vector<Error> errors;                     // of those that could not be read
};
// Gets each row, too, with the place of its run among those found.
using RowOfRun = std::function<void(size_t place, const Row& row)>;
RunList ReadRuns(const std::vector<FoundRun>& found, const RowOfRun& visit = {});

// Gives short names to the runs and sorts them.
void NameAndSort(RunList& list);

// The runs that a word means: those that have it as short name, site, name or id; else for
// "latest" the one that began last; else those whose id begins so.
std::vector<std::shared_ptr<ListedRun>> Meant(const RunList& list, std::string_view word);

// The metrics of all runs in the order of their first rows.
std::vector<std::string> MetricsOf(const RunList& list);

// Lines of metrics that are printed, at most: of more, one looks at a run or at a report.
inline constexpr size_t kMostMetricLines = 60;

// In two tables: the runs, and their metrics, of each with so many lines at most, about, behind
// which stands how many more there are. `below`: the folder that was asked for, which paths are
// told from.
void PrintRuns(std::ostream& out, const RunList& list, const std::string& below,
               size_t most_lines = SIZE_MAX);
void PrintMetrics(std::ostream& out, const RunList& list, size_t most_lines = kMostMetricLines);
void PrintListAsJson(const RunList& list);

}  // namespace flarebridge
