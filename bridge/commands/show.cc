#include "bridge/commands/show.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>
#include <vector>

#include "bridge/commands/complain.h"
#include "bridge/commands/show_list.h"
#include "bridge/commands/show_run.h"
#include "bridge/commands/show_watch.h"
#include "bridge/process/exit_code.h"
#include "receivers/readers.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// What is to be shown: where runs are, and which of them ("": all).
struct Wanted {
  std::string place;
  std::string run;
};

// One word is a place if there is one of that name, else a run below this folder.
Wanted WantedBy(const std::vector<std::string>& words) {
  std::error_code ignored;
  if (words.empty()) return {".", ""};
  if (words.size() > 1) return {words[0], words[1]};
  const bool is_place = fs::exists(words[0], ignored) || words[0].find('/') != std::string::npos;
  return is_place ? Wanted{words[0], ""} : Wanted{".", words[0]};
}

Expected<std::vector<FoundRun>> Find(const Wanted& wanted) {
  Expected<std::vector<FoundRun>> runs = FindRuns(wanted.place);
  if (!runs) return runs;
  if (runs->empty() && wanted.run.empty())
    return Fail(ErrorCode::kIo, "no run below " + wanted.place);
  if (wanted.run.empty()) return runs;
  std::vector<FoundRun> meant;
  for (const auto& run : Meant(ReadRuns(*runs), wanted.run)) meant.push_back(run->found);
  if (meant.empty())
    return Fail(ErrorCode::kIo, wanted.run + ": no such file or folder, and no run of this name" +
                                    " below " + wanted.place + "; `flarebridge show " +
                                    wanted.place + "` lists them");
  return meant;
}

bool AllFinished(const std::vector<FoundRun>& runs) {
  return !runs.empty() && std::all_of(runs.begin(), runs.end(), [](const FoundRun& found) {
    const auto run = found.reader->Read(found.log, nullptr);
    return run && run->state != RunSummary::State::kRunning;
  });
}

// A folder is listed, also if there is only one run in it, but for the run's own.
bool IsListed(const Wanted& wanted, const std::vector<FoundRun>& runs, bool csv) {
  std::error_code ignored;
  if (runs.size() > 1) return true;
  return wanted.run.empty() && !csv && fs::is_directory(wanted.place, ignored) &&
         fs::canonical(wanted.place, ignored) !=
             fs::canonical(runs.front().log.parent_path(), ignored);
}

int ShowAll(const std::vector<FoundRun>& runs, const Wanted& wanted, bool json) {
  const RunList list = ReadRuns(runs);
  if (json) {
    PrintListAsJson(list);
  } else if (!list.runs.empty()) {
    PrintRuns(std::cout, list, wanted.place);
    PrintMetrics(std::cout, list);
  }
  int status = kExitOk;
  for (const Error& error : list.errors) status = ComplainOfRuns(error);
  return status;
}

}  // namespace

void AddShow(CLI::App& app, ShowArguments& to) {
  CLI::App* show = app.add_subcommand(
      "show", "Print runs: config, summary and rows of one, or a list of those below a folder");
  show->add_option("what", to.words,
                   "A folder with runs below it (default: this one), a run's folder or log; and "
                   "which of its runs: a site, a name, an id, or `latest`")
      ->expected(0, 2);
  auto* json = show->add_flag("--json", to.json,
                              "As JSON with all digits (NaN and Infinity as bare words, as W&B "
                              "writes them)");
  auto* csv = show->add_flag("--csv", to.csv, "The rows of one run as CSV, values as JSON");
  csv->excludes(json);
  show->add_option("--rows", to.rows, "Rows in the table, the last ones; 0: all")
      ->check(CLI::Range(0, 1000000000))
      ->capture_default_str();
  // A flag that may have words behind it.
  auto* plot = show->add_option_function<std::vector<std::string>>(
      "--plot",
      [&to](const std::vector<std::string>& words) {
        to.plots = true;
        for (const std::string& word : words)
          if (!word.empty()) to.plot.metrics.push_back(word);
      },
      "Draw the curves of all runs, a chart for each metric of these names (* and ? stand for any "
      "characters); without a name for the first " +
          std::to_string(kUnnamedCharts));
  plot->type_name("METRIC")->expected(0, -1)->excludes(json)->excludes(csv);
  show->add_option_function<std::string>(
          "--x", [&to](const std::string& word) { to.plot.time = word == "time"; },
          "What charts run over: the step, or the time since each run's start")
      ->type_name("step|time")
      ->check(CLI::IsMember({"step", "time"}))
      ->needs(plot);
  show->add_flag("--log", to.plot.log, "Charts with a logarithmic axis")->needs(plot);
  auto* wait = show->add_option(
      "--wait", to.wait, "Seconds to wait until every run has ended; exit status 3 if one has not");
  wait->check(CLI::Range(0, 86400));
  auto* watch = show->add_flag("--watch", to.watch,
                               "Go on: the list, or the charts, anew whenever a run has got on or "
                               "come, until Ctrl-C; elsewhere than on a terminal one below the "
                               "other");
  watch->excludes(json)->excludes(csv)->excludes(wait);
  show->add_option("--every", to.every, "Seconds between two looks of --watch")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str()
      ->needs(watch);
}

int Show(const ShowArguments& arguments) {
  const Wanted wanted = WantedBy(arguments.words);
  if (arguments.watch)
    return WatchRuns({wanted.place, wanted.run, arguments.every, arguments.plots, arguments.plot});
  auto runs = Find(wanted);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(arguments.wait);
  int status = kExitOk;
  if (arguments.wait > 0) {
    while (!(runs && AllFinished(*runs)) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      runs = Find(wanted);
    }
    if (!(runs && AllFinished(*runs))) status = kExitNotFinished;
  }
  if (!runs) return ComplainOfRuns(runs.error());
  int shown = kExitOk;
  if (arguments.plots) {
    shown = ShowPlots(*runs, wanted.place, arguments.plot);
  } else if (IsListed(wanted, *runs, arguments.csv)) {
    if (arguments.csv)
      return Complain("--csv takes one run; there are " + std::to_string(runs->size()) + " below " +
                          wanted.place + (wanted.run.empty() ? "" : " that are " + wanted.run),
                      kExitUsage);
    shown = ShowAll(*runs, wanted, arguments.json);
  } else if (arguments.json) {
    shown = ShowRunAsJson(runs->front());
  } else if (arguments.csv) {
    shown = ShowRunAsCsv(runs->front());
  } else {
    shown = ShowRun(runs->front(), static_cast<uint64_t>(arguments.rows));
  }
  return shown != kExitOk ? shown : status;
}

}  // namespace flarebridge
