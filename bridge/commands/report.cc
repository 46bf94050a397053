#include "bridge/commands/report.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <random>
#include <set>
#include <sstream>

#include "bridge/commands/complain.h"
#include "bridge/process/exit_code.h"
#include "bridge/report/report_data.h"
#include "bridge/report/report_json.h"
#include "bridge/report/report_page.h"
#include "events/printable.h"
#include "receivers/files/durable_file.h"
#include "receivers/readers.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// The page without its data is 0.1 MB; the whole is to go into a mail of 10 MB.
constexpr size_t kMostBytesOfData = 9'500'000;
constexpr size_t kMostRuns = 1'000;  // each is a row of tables and a curve in charts

// The runs below all paths, each once. Errors: as FindRunLogs().
Expected<std::vector<FoundRun>> FindAllRuns(const std::vector<std::string>& paths) {
  std::vector<FoundRun> all;
  std::set<fs::path> known;
  for (const std::string& path : paths) {
    const Expected<std::vector<FoundRun>> runs = FindRunLogs(path);
    if (!runs) return Propagate(runs);
    for (const FoundRun& run : *runs) {
      if (known.insert(run.log).second) all.push_back(run);
    }
  }
  KeepEachRunOnce(all);
  return all;
}

std::string Joined(const std::vector<std::string>& paths) {
  std::string text;
  for (const std::string& path : paths) text += (text.empty() ? "" : ", ") + path;
  return text;
}

// Nobody knows it beforehand: 64 bits of the system's randomness.
std::string MakeNonce() {
  std::random_device random;
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(8) << random() << std::setw(8) << random();
  return text.str();
}

// Why nothing may be written there; empty: it may.
std::string WhyNot(const fs::path& output, const std::vector<FoundRun>& runs) {
  std::error_code ignored;
  const fs::file_status status = fs::status(output, ignored);
  if (!fs::exists(status)) return "";
  if (fs::is_directory(status))
    return "it is a folder; name a file in it, as -o folder/report.html";
  if (!fs::is_regular_file(status)) return "it is no regular file; -o - writes to standard output";
  const bool is_log = std::any_of(runs.begin(), runs.end(), [&](const FoundRun& run) {
    return fs::equivalent(run.log, output, ignored);
  });
  return is_log ? "it is the log of a run that the report is about" : "";
}

// One line for each run of which not everything could be read. Gives whether there is one.
bool ComplainOfRuns(const ReportData& data) {
  bool any = false;
  for (const ReportRun& run : data.runs()) {
    if (!run.unreadable.empty()) {
      Complain(run.unreadable, kExitData);  // it names the log
    } else if (run.bad_bytes > 0) {
      Complain(run.log + ": damaged: " + std::to_string(run.bad_bytes) + " bytes can't be read",
               kExitData);
    } else {
      continue;
    }
    any = true;
  }
  return any;
}

// What a link points at is replaced, not the link.
fs::path BehindLinks(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::error_code ignored;
  for (int i = 0; i < kMostLinks && fs::is_symlink(path, ignored); ++i)
    path = path.parent_path() / fs::read_symlink(path, ignored);
  return path;
}

int Write(const std::string& output, const std::string& page) {
  if (output == "-") {
    std::cout << page << std::flush;
    return std::cout ? kExitOk : Complain("standard output can't be written", kExitCantCreate);
  }
  const Expected<void> written = WriteDurably(fs::absolute(BehindLinks(output)), page, 0666);
  if (written) return kExitOk;
  return Complain(written.error().message,
                  written.error().code == ErrorCode::kTemporary ? kExitTempFail : kExitCantCreate);
}

size_t MetricsOf(const ReportData& data) {
  std::set<uint32_t> keys;
  for (const ReportSeries& series : data.series()) keys.insert(series.key);
  return keys.size();
}

std::string Amount(uint64_t number, const std::string& what) {
  return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

void TellResult(const std::string& output, const ReportData& data, size_t bytes) {
  uint64_t rows = 0;
  for (const ReportRun& run : data.runs()) rows += run.rows;
  std::cout << output << ": " << Amount(data.runs().size(), "run") << ", " << Amount(rows, "row")
            << ", " << Amount(MetricsOf(data), "metric") << "; " << std::fixed
            << std::setprecision(1) << static_cast<double>(bytes) / 1e6 << " MB\n";
}

}  // namespace

void AddReport(CLI::App& app, ReportArguments& to) {
  CLI::App* report = app.add_subcommand(
      "report", "Make one HTML file of runs: a chart of each metric with all sites, and tables");
  report->footer(
      "The file holds all that it shows: the curves of all sites with their mean and spread, "
      "tables\n"
      "of runs, metrics and configs. It needs no network: open it in a browser, or mail it.\n"
      "\n"
      "  flarebridge report build/hello-pt               all runs below a folder -> report.html\n"
      "  flarebridge report a/wandb b/wandb -o ab.html   two jobs beside each other");
  report
      ->add_option("path", to.paths,
                   "Folders with runs below them, run folders, .wandb and .jsonl files")
      ->required();
  report
      ->add_option("-o,--output", to.output,
                   "The file, which is replaced as a whole if it is there; -: standard output")
      ->capture_default_str();
}

int Report(const ReportArguments& arguments) {
  const Expected<std::vector<FoundRun>> runs = FindAllRuns(arguments.paths);
  if (!runs) return Complain(runs.error().message, kExitNoInput);
  if (runs->empty()) {
    return Complain(
        "no run below " + Joined(arguments.paths) +
            "; name a folder that has run-….wandb or jsonl/….jsonl files somewhere below it",
        kExitNoInput);
  }
  if (runs->size() > kMostRuns) {
    return Complain("there are " + std::to_string(runs->size()) + " runs; a report has " +
                        std::to_string(kMostRuns) + " at most: name folders with fewer",
                    kExitUsage);
  }
  const bool to_file = arguments.output != "-";
  const std::string why_not = to_file ? WhyNot(arguments.output, *runs) : "";
  if (!why_not.empty())
    return Complain(arguments.output + " is not written: " + why_not, kExitCantCreate);

  ReportData data;
  for (const FoundRun& run : *runs) data.Add(run);
  const bool incomplete = ComplainOfRuns(data);
  const bool none = std::all_of(data.runs().begin(), data.runs().end(), [](const ReportRun& run) {
    return !run.unreadable.empty() && run.rows == 0;
  });
  if (none) return Complain("no report: none of the runs can be read", kExitData);
  ReportOrigin origin;
  origin.program = std::string("flarebridge ") + FLAREBRIDGE_VERSION;
  origin.made =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  origin.folders = arguments.paths;
  const std::string page =
      ReportPage(FittedReportJson(data, origin, kMostBytesOfData), MakeNonce());
  if (const int status = Write(arguments.output, page); status != kExitOk) return status;
  if (to_file) TellResult(Printable(arguments.output), data, page.size());
  return incomplete ? kExitData : kExitOk;
}

}  // namespace flarebridge
