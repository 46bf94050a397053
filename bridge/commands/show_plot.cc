#include "bridge/commands/show_plot.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "bridge/commands/amounts.h"
#include "bridge/commands/complain.h"
#include "bridge/commands/show_run.h"
#include "bridge/commands/terminal.h"
#include "bridge/process/exit_code.h"
#include "events/printable.h"

namespace flarebridge {
namespace {

constexpr size_t kNamedInWords = 20;  // metrics

}  // namespace

Curves CurvesFor(const PlotChoice& choice) {
  return choice.metrics.empty() ? Curves({}, kUnnamedCharts) : Curves(choice.metrics);
}

std::vector<Chart> ChartsOf(const RunList& list, const Curves& curves, const PlotChoice& choice) {
  std::vector<Chart> charts;
  for (const std::string& metric : curves.Metrics()) {
    Chart chart;
    chart.metric = metric;
    chart.runs = list.runs.size();
    chart.across = choice.time ? Chart::Across::kTime : Chart::Across::kStep;
    chart.log = choice.log;
    for (size_t i = 0; i < list.runs.size(); ++i) {
      const SeriesBins* bins = curves.Find(metric, list.runs[i]->place);
      if (bins != nullptr)
        chart.curves.push_back({list.runs[i]->name, Rounded(bins->last()), i, bins});
    }
    if (!chart.curves.empty()) charts.push_back(std::move(chart));
  }
  return charts;
}

std::string MissingWords(const RunList& list, const Curves& curves) {
  const std::vector<std::string> missing = curves.Missing();
  if (missing.empty()) return "";
  std::error_code ignored;
  const std::string& word = missing.front();
  if (std::filesystem::exists(word, ignored))
    return word + " is no metric but a place; it stands before --plot: flarebridge show " + word +
           " --plot";
  const std::vector<std::string> known = MetricsOf(list);
  if (known.empty()) return "no run has a metric yet that is " + word;
  std::string words = "no run has the metric " + word + "; there are: ";
  for (size_t i = 0; i < std::min(known.size(), kNamedInWords); ++i)
    words += (i > 0 ? ", " : "") + known[i];
  return words + (known.size() > kNamedInWords ? ", ..." : "");
}

std::string MoreWords(const RunList& list, size_t charts, size_t drawn, const PlotChoice& choice) {
  const size_t all = choice.metrics.empty() ? MetricsOf(list).size() : charts;
  if (all <= drawn) return "";
  return "and " + Counted(all - drawn, "metric") +
         " more: name those to be drawn, as --plot '*loss'";
}

int ShowPlots(const std::vector<FoundRun>& runs, const std::string& below,
              const PlotChoice& choice) {
  Curves curves = CurvesFor(choice);
  for (size_t i = 0; i < runs.size(); ++i) curves.AddRun();
  const RunList list =
      ReadRuns(runs, [&](size_t place, const Row& row) { curves.Take(place, row); });
  int status = kExitOk;
  for (const Error& error : list.errors) status = ComplainOfRuns(error);
  if (list.runs.empty()) return status;
  const std::string missing = MissingWords(list, curves);
  const std::vector<Chart> charts = ChartsOf(list, curves, choice);
  if (charts.empty() && !missing.empty()) return Complain(Printable(missing), kExitNoInput);
  PrintRuns(std::cout, list, below);
  const size_t width = SizeOfTerminal(STDOUT_FILENO).columns;
  for (const Chart& chart : charts) {
    std::cout << '\n';
    for (const std::string& line : Draw(chart, LooksOf(STDOUT_FILENO), width, kRowsOfChart))
      std::cout << line << '\n';
  }
  if (charts.empty()) std::cout << "\nno run has a value yet\n";
  const std::string more = MoreWords(list, charts.size(), charts.size(), choice);
  if (!more.empty()) std::cout << '\n' << more << '\n';
  if (!missing.empty()) return Complain(Printable(missing), kExitNoInput);
  return status;
}

}  // namespace flarebridge
