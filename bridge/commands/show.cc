#include "bridge/commands/show.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <sstream>
#include <thread>
#include <unordered_map>
#include <vector>

#include "bridge/process/exit_code.h"
#include "events/printable.h"
#include "receivers/readers.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// One word.
const char* NameOf(RunSummary::State state) {
  switch (state) {
    case RunSummary::State::kRunning:
      return "running";
    case RunSummary::State::kFinished:
      return "finished";
    default:
      return "failed";
  }
}

std::string StateOf(const RunSummary& run) {
  std::string state = NameOf(run.state);
  if (run.state == RunSummary::State::kFailed)
    state += " (exit code " + std::to_string(run.exit_code) + ")";
  if (run.bad_bytes > 0)
    state += ", damaged: " + std::to_string(run.bad_bytes) + " bytes can't be read";
  return state;
}

// JSON text of a string. The log's texts are valid UTF-8 but for hostile files; those show as they
// are.
std::string Quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  return quoted + "\"";
}

template <class Pairs>
std::string JsonObject(const Pairs& pairs) {
  std::string object = "{";
  const char* separator = "";
  for (const auto& [key, json] : pairs) {
    object.append(separator).append(Quote(key)).append(": ").append(json);
    separator = ", ";
  }
  return object + "}";
}

int Complain(const Error& error) {
  std::cerr << "flarebridge: " << error.message << '\n';
  return error.code == ErrorCode::kIo ? kExitNoInput : kExitData;
}

// --- one run ---

int ShowJson(const FoundRun& found) {
  // Rows come before the rest is known, so they go out first, one after the other.
  std::cout << "{\"rows\": [";
  const char* separator = "\n";
  const auto run = found.reader->Read(found.log, [&](const Row& row) {
    std::cout << separator << JsonObject(row);
    separator = ",\n";
  });
  if (!run) return Complain(run.error());
  std::cout << "],\n\"run\": {\"id\": " << Quote(run->id) << ", \"name\": " << Quote(run->name)
            << ", \"project\": " << Quote(run->project) << ", \"entity\": " << Quote(run->entity)
            << ", \"group\": " << Quote(run->group) << ", \"job_type\": " << Quote(run->job_type)
            << ", \"notes\": " << Quote(run->notes) << ", \"tags\": [";
  for (size_t i = 0; i < run->tags.size(); ++i)
    std::cout << (i == 0 ? "" : ", ") << Quote(run->tags[i]);
  const bool running = run->state == RunSummary::State::kRunning;
  std::cout << "], \"state\": " << Quote(NameOf(run->state))
            << ", \"exit_code\": " << (running ? "null" : std::to_string(run->exit_code))
            << ", \"damaged\": " << (run->bad_bytes > 0 ? "true" : "false")
            << ", \"damaged_bytes\": " << run->bad_bytes << ", \"left_out\": " << run->left_out
            << ", \"log\": " << Quote(found.log.string())
            << "},\n\"config\": " << JsonObject(run->config)
            << ",\n\"summary\": " << JsonObject(run->summary) << "}\n";
  return run->bad_bytes > 0 ? kExitData : kExitOk;
}

// The keys of all rows, as columns: the step, then the user's in the order of their first row, then
// the tracking system's own. A row's cells are found by their key, so that a table takes time for
// each cell and not for each pair of them.
class Columns {
 public:
  // Of all rows of a run, in one pass over it. Gives what the run says of itself.
  Expected<RunSummary> Take(const FoundRun& found) {
    const auto take = [this](const Row& row) {
      for (const Cell& cell : row) Take(cell);
    };
    Expected<RunSummary> run = found.reader->Read(found.log, take);
    if (run) Sort();
    return run;
  }

  size_t size() const { return names_.size(); }
  const std::string& name(size_t column) const { return names_[column]; }
  // Bytes of the longest value in it.
  size_t width(size_t column) const { return widths_[column]; }
  // Values that have no column, because there are too many.
  uint64_t left_out() const { return left_out_; }

  // The row's values, one for each column, empty where it has none; valid until the next call.
  const std::vector<std::string_view>& Arrange(const Row& row) {
    cells_.assign(size(), {});
    for (const Cell& cell : row) {
      const auto found = places_.find(cell.key);
      if (found != places_.end()) cells_[found->second] = cell.json;
    }
    return cells_;
  }

 private:
  // A line that W&B takes has less than a million keys.
  static constexpr size_t kMost = size_t{1} << 20;
  static constexpr size_t kMostBytes = size_t{64} << 20;

  void Take(const Cell& cell) {
    auto found = places_.find(cell.key);
    if (found == places_.end()) {
      if (size() >= kMost || bytes_ + cell.key.size() > kMostBytes) {
        ++left_out_;
        return;
      }
      bytes_ += cell.key.size();
      found = places_.emplace(names_.emplace_back(cell.key), widths_.size()).first;
      widths_.push_back(0);
    }
    size_t& width = widths_[found->second];
    width = std::max(width, cell.json.size());
  }

  void Sort() {
    const auto rank = [this](size_t column) {
      return name(column) == "_step" ? 0 : name(column).starts_with('_') ? 2 : 1;
    };
    std::vector<size_t> order(size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return rank(a) < rank(b); });
    std::deque<std::string> names;
    std::vector<size_t> widths;
    places_.clear();
    for (const size_t column : order) {
      widths.push_back(width(column));
      names.push_back(std::move(names_[column]));
      places_.emplace(names.back(), places_.size());
    }
    names_ = std::move(names);
    widths_ = std::move(widths);
  }

  std::deque<std::string> names_;  // stay where they are, for the keys of places_ are their views
  std::vector<size_t> widths_;
  std::unordered_map<std::string_view, size_t> places_;
  std::vector<std::string_view> cells_;
  size_t bytes_ = 0;  // of names
  uint64_t left_out_ = 0;
};

// To be said of a run that has too many keys.
std::string LeftOutText(uint64_t values) {
  return std::to_string(values) + " values are not shown: there are too many keys";
}

// RFC 4180: a field with a comma, a quote or a line break is quoted, its quotes doubled.
std::string CsvField(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field.push_back('"');
    field.push_back(c);
  }
  return field + "\"";
}

int ShowCsv(const FoundRun& found) {
  Columns columns;
  const auto run = columns.Take(found);
  if (!run) return Complain(run.error());
  for (size_t i = 0; i < columns.size(); ++i)
    std::cout << (i == 0 ? "" : ",") << CsvField(columns.name(i));
  std::cout << "\n";
  const auto read = found.reader->Read(found.log, [&](const Row& row) {
    const char* separator = "";
    for (const std::string_view cell : columns.Arrange(row)) {
      std::cout << separator << CsvField(cell);
      separator = ",";
    }
    std::cout << "\n";
  });
  if (!read) return Complain(read.error());
  const uint64_t left_out = run->left_out + columns.left_out();
  if (left_out > 0)
    std::cerr << "flarebridge: " << found.log.string() << ": " << LeftOutText(left_out) << '\n';
  if (read->bad_bytes == 0) return kExitOk;
  std::cerr << "flarebridge: " << found.log.string() << ": " << StateOf(*read) << '\n';
  return kExitData;
}

std::string Shorten(std::string_view text, size_t width) {
  if (text.size() <= width) return std::string(text);
  return std::string(text.substr(0, width - 2)) + "..";
}

void PrintPairs(const char* title, const std::map<std::string, std::string>& pairs) {
  if (pairs.empty()) return;
  std::cout << "\n" << title << "\n";
  size_t width = 0;
  for (const auto& [key, json] : pairs) width = std::max(width, std::min<size_t>(key.size(), 40));
  for (const auto& [key, json] : pairs) {
    std::cout << "  " << std::left << std::setw(static_cast<int>(width) + 2)
              << Printable(Shorten(key, 40)) << Printable(Shorten(json, 100)) << "\n";
  }
}

// The last rows of a run, or with `most_rows` 0 all; none that came since they were counted.
Expected<void> PrintTable(const FoundRun& found, Columns& columns, uint64_t all_rows,
                          uint64_t most_rows) {
  constexpr size_t kWidest = 22;
  std::vector<size_t> shown;
  std::vector<size_t> widths;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns.name(i) != "_step" && columns.name(i).starts_with('_')) continue;
    shown.push_back(i);
    widths.push_back(std::min(std::max(columns.name(i).size(), columns.width(i)), kWidest));
  }
  std::cout << "\nrows";
  if (most_rows > 0 && most_rows < all_rows)
    std::cout << " (the last " << most_rows << " of " << all_rows << "; --rows 0 shows all)";
  std::cout << "\n";
  const auto line = [&](const auto& cell) {
    std::ostringstream text;
    for (size_t i = 0; i < shown.size(); ++i) {
      text << "  " << std::left << std::setw(static_cast<int>(widths[i]))
           << Printable(Shorten(cell(shown[i]), widths[i]));
    }
    const std::string whole = text.str();
    std::cout << whole.substr(0, whole.find_last_not_of(' ') + 1) << "\n";
  };
  line([&](size_t column) -> std::string_view { return columns.name(column); });
  const uint64_t first = most_rows > 0 && most_rows < all_rows ? all_rows - most_rows : 0;
  uint64_t at = 0;
  const auto read = found.reader->Read(found.log, [&](const Row& row) {
    const uint64_t number = at++;
    if (number < first || number >= all_rows) return;
    const std::vector<std::string_view>& cells = columns.Arrange(row);
    line([&](size_t column) { return cells[column]; });
  });
  if (!read) return Propagate(read);
  return {};
}

int ShowTable(const FoundRun& found, int most_rows) {
  Columns columns;
  const auto run = columns.Take(found);
  if (!run) return Complain(run.error());
  std::cout << Printable(run->name) << "\n"
            << "  state    " << StateOf(*run) << "\n  run id   " << Printable(run->id)
            << "\n  project  " << Printable(run->project) << "\n  group    "
            << Printable(run->group) << "\n  log      " << found.log.string() << "\n";
  const uint64_t left_out = run->left_out + columns.left_out();
  if (left_out > 0) std::cout << "  " << LeftOutText(left_out) << "\n";
  PrintPairs("config", run->config);
  PrintPairs("summary", run->summary);
  if (run->rows > 0) {
    const auto printed = PrintTable(found, columns, run->rows, static_cast<uint64_t>(most_rows));
    if (!printed) return Complain(printed.error());
  }
  return run->bad_bytes > 0 ? kExitData : kExitOk;
}

// --- a folder of runs ---

int ShowList(const std::vector<FoundRun>& runs, bool json) {
  int status = kExitOk;
  const char* separator = "";
  if (json) std::cout << "[";
  for (const FoundRun& found : runs) {
    const auto run = found.reader->Read(found.log, nullptr);
    if (!run) {
      status = Complain(run.error());
      continue;
    }
    std::string keys;
    for (const auto& [key, value] : run->summary) keys += (keys.empty() ? "" : ", ") + key;
    if (json) {
      std::cout << separator << "{\"log\": " << Quote(found.log.string())
                << ", \"id\": " << Quote(run->id) << ", \"name\": " << Quote(run->name)
                << ", \"state\": " << Quote(StateOf(*run)) << ", \"rows\": " << run->rows << "}";
      separator = ",\n ";
      continue;
    }
    std::cout << Printable(run->name) << "\n  " << StateOf(*run) << ", " << run->rows
              << (run->rows == 1 ? " row" : " rows")
              << (keys.empty() ? "" : ": " + Printable(Shorten(keys, 90))) << "\n  "
              << found.log.parent_path().string() << "\n";
  }
  if (json) std::cout << "]\n";
  return status;
}

bool AllFinished(const std::vector<FoundRun>& runs) {
  return !runs.empty() && std::all_of(runs.begin(), runs.end(), [](const FoundRun& found) {
    const auto run = found.reader->Read(found.log, nullptr);
    return run && run->state != RunSummary::State::kRunning;
  });
}

}  // namespace

void AddShow(CLI::App& app, ShowArguments& to) {
  CLI::App* show = app.add_subcommand(
      "show", "Print runs: config, summary and rows of one, or a list of those below a folder");
  show->add_option("path", to.path, "A run folder, a .wandb file, or a folder with runs below it")
      ->required();
  auto* json = show->add_flag("--json", to.json,
                              "As JSON (NaN and Infinity as bare words, as W&B writes them)");
  show->add_flag("--csv", to.csv, "The rows of one run as CSV, values as JSON")->excludes(json);
  show->add_option("--rows", to.rows, "Rows in the table, the last ones; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  show->add_option("--wait", to.wait,
                   "Seconds to wait until every run has ended; exit status 3 if one has not")
      ->check(CLI::Range(0, 86400));
}

int Show(const ShowArguments& arguments) {
  auto runs = FindRuns(arguments.path);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(arguments.wait);
  int status = kExitOk;
  if (arguments.wait > 0) {
    while (!(runs && AllFinished(*runs)) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      runs = FindRuns(arguments.path);
    }
    if (!(runs && AllFinished(*runs))) status = kExitNotFinished;
  }
  if (!runs) return Complain(runs.error());
  if (runs->empty()) return Complain({ErrorCode::kIo, "no run below " + arguments.path});
  std::error_code ignored;
  const bool listed = runs->size() > 1 ||
                      (fs::is_directory(arguments.path, ignored) && !arguments.csv &&
                       fs::canonical(arguments.path, ignored) != runs->front().log.parent_path());
  int shown = kExitOk;
  if (listed && arguments.csv) {
    std::cerr << "flarebridge: --csv takes one run; there are " << runs->size() << " below "
              << arguments.path << '\n';
    return kExitUsage;
  }
  if (listed) {
    shown = ShowList(*runs, arguments.json);
  } else if (arguments.json) {
    shown = ShowJson(runs->front());
  } else if (arguments.csv) {
    shown = ShowCsv(runs->front());
  } else {
    shown = ShowTable(runs->front(), arguments.rows);
  }
  return shown != kExitOk ? shown : status;
}

}  // namespace flarebridge
