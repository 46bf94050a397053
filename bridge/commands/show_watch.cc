#include "bridge/commands/show_watch.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <sstream>
#include <vector>

#include "bridge/commands/amounts.h"
#include "bridge/commands/full_screen.h"
#include "bridge/commands/live_runs.h"
#include "bridge/commands/show_run.h"
#include "bridge/commands/terminal.h"
#include "bridge/process/descriptor_limit.h"
#include "events/printable.h"
#include "events/time_text.h"

namespace flarebridge {
namespace {

using Lines = std::vector<std::string>;

// Where there is no screen, and each change is a block of its own.
constexpr size_t kNoLimit = SIZE_MAX;

void Append(Lines& lines, const std::string& text) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
}

std::string PlaceInWords(const WatchChoice& choice) {
  return (choice.run.empty() ? "" : choice.run + " below ") + choice.place;
}

// "jobs/42: 3 runs, 2 running; changed 2026-11-30 20:41".
std::string Title(const RunList& list, const WatchChoice& choice) {
  const auto running = std::count_if(list.runs.begin(), list.runs.end(), [](const auto& run) {
    return run->summary.state == RunSummary::State::kRunning;
  });
  return Printable(PlaceInWords(choice)) + ": " + Counted(list.runs.size(), "run") + ", " +
         Grouped(static_cast<uint64_t>(running)) + " running; changed " +
         LocalTimeText(time(nullptr));
}

// Charts in so many lines, or with kNoLimit all of them.
void AppendCharts(Lines& lines, const RunList& list, const Curves& curves,
                  const WatchChoice& choice, size_t most_lines) {
  constexpr size_t kBetween = 1, kLeastRows = 2, kGoodRows = 4, kMostRows = 16;
  const std::vector<Chart> charts = ChartsOf(list, curves, choice.plot);
  const std::string missing = MissingWords(list, curves);
  if (!missing.empty()) Append(lines, "\n" + Printable(missing));
  const size_t width = SizeOfTerminal(STDOUT_FILENO).columns;
  const Looks looks = LooksOf(STDOUT_FILENO);
  size_t shown = charts.size(), rows = kRowsOfChart;
  if (most_lines != kNoLimit && !charts.empty()) {
    // Around a chart's curves: its frame, with as many lines of runs as they take.
    const size_t around =
        kBetween + Draw(charts.front(), looks, width, kLeastRows).size() - kLeastRows;
    shown = std::clamp<size_t>(most_lines / (around + kGoodRows), 1, charts.size());
    // Below them stands how many there are more.
    const size_t below = shown < charts.size() ? std::min<size_t>(most_lines, 2) : 0;
    const size_t each = std::max((most_lines - below) / shown, around);
    rows = std::clamp(each - around, kLeastRows, kMostRows);
  }
  for (size_t i = 0; i < shown; ++i) {
    lines.emplace_back();
    for (std::string& line : Draw(charts[i], looks, width, rows)) lines.push_back(std::move(line));
  }
  if (const std::string more = MoreWords(list, charts.size(), shown, choice.plot); !more.empty())
    Append(lines, "\n" + more);
}

Lines LinesOf(const LiveRuns& live, const WatchChoice& choice, size_t most_lines) {
  RunList list = live.list();
  if (!choice.run.empty()) list.runs = Meant(list, choice.run);
  Lines lines;
  if (list.runs.empty()) {
    lines.push_back("no run " + std::string(choice.run.empty() ? "below " : "that is ") +
                    Printable(PlaceInWords(choice)) + " yet; waiting for the first one");
  } else {
    lines.push_back(Title(list, choice));
    lines.emplace_back();
    const bool limited = most_lines != kNoLimit;
    std::ostringstream runs;
    PrintRuns(runs, list, choice.place, limited ? most_lines / (choice.plots ? 4 : 2) : kNoLimit);
    Append(lines, runs.str());
    const size_t left = limited ? most_lines - std::min(most_lines, lines.size()) : kNoLimit;
    if (choice.plots) {
      AppendCharts(lines, list, live.curves(), choice, left);
    } else {
      std::ostringstream metrics;
      PrintMetrics(metrics, list, std::min(left, kMostMetricLines));
      Append(lines, metrics.str());
    }
  }
  for (const Error& error : live.list().errors) lines.push_back(Printable(error.message));
  return lines;
}

void Show(FullScreen& screen, const LiveRuns& live, const WatchChoice& choice) {
  if (screen.is_terminal()) {
    screen.Draw(LinesOf(live, choice, SizeOfTerminal(STDOUT_FILENO).lines));
    return;
  }
  for (const std::string& line : LinesOf(live, choice, kNoLimit)) std::cout << line << '\n';
  std::cout << std::endl;
}

}  // namespace

int WatchRuns(const WatchChoice& choice) {
  if (const auto found = FindRuns(choice.place); !found) return ComplainOfRuns(found.error());
  (void)RaiseDescriptorLimit();  // each log that is followed stays open
  using Clock = std::chrono::steady_clock;
  // A look that takes long, for a folder with very many files, comes so much more seldom.
  constexpr int kRest = 20;
  const std::chrono::duration<double> every(choice.seconds);
  LiveRuns live(choice.place, choice.plots ? CurvesFor(choice.plot) : Curves({}, 0));
  FullScreen screen;
  for (bool first = true;; first = false) {
    const auto began = Clock::now();
    if (live.Renew() || first) Show(screen, live, choice);
    const auto wait = std::max(std::chrono::duration_cast<Clock::duration>(every),
                               (Clock::now() - began) * (first ? 1 : kRest));
    const auto until = Clock::now() + wait;
    while (screen.Wait(std::max<Clock::duration>(until - Clock::now(), {})))
      Show(screen, live, choice);
  }
}

}  // namespace flarebridge
