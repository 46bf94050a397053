#include "bridge/commands/show.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <thread>
#include <vector>

#include "bridge/process/exit_code.h"
#include "events/printable.h"
#include "receivers/readers.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A row that outlives the record it was read from.
using KeptRow = std::vector<std::pair<std::string, std::string>>;

KeptRow Keep(const Row& row) {
  KeptRow kept;
  for (const Cell& cell : row) kept.emplace_back(cell.key, cell.json);
  return kept;
}

const std::string* Find(const KeptRow& row, const std::string& key) {
  const auto found =
      std::find_if(row.begin(), row.end(), [&](const auto& item) { return item.first == key; });
  return found == row.end() ? nullptr : &found->second;
}

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
    object += separator + Quote(key) + ": " + json;
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
    std::cout << separator << JsonObject(Keep(row));
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
            << ", \"damaged_bytes\": " << run->bad_bytes
            << ", \"log\": " << Quote(found.log.string())
            << "},\n\"config\": " << JsonObject(run->config)
            << ",\n\"summary\": " << JsonObject(run->summary) << "}\n";
  return run->bad_bytes > 0 ? kExitData : kExitOk;
}

// The keys of all rows: the step, then the user's in the order of their first row, then the
// tracking system's own.
Expected<std::vector<std::string>> ColumnsOf(const FoundRun& found) {
  std::vector<std::string> columns;
  const auto read = found.reader->Read(found.log, [&](const Row& row) {
    for (const Cell& cell : row) {
      if (std::find(columns.begin(), columns.end(), cell.key) == columns.end())
        columns.emplace_back(cell.key);
    }
  });
  if (!read) return Propagate(read);
  std::stable_sort(columns.begin(), columns.end(), [](const std::string& a, const std::string& b) {
    const auto rank = [](const std::string& key) {
      return key == "_step" ? 0 : key.starts_with('_') ? 2 : 1;
    };
    return rank(a) < rank(b);
  });
  return columns;
}

// RFC 4180: a field with a comma, a quote or a line break is quoted, its quotes doubled.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string field = "\"";
  for (const char c : text) {
    if (c == '"') field.push_back('"');
    field.push_back(c);
  }
  return field + "\"";
}

int ShowCsv(const FoundRun& found) {
  const auto columns = ColumnsOf(found);
  if (!columns) return Complain(columns.error());
  const auto line = [&](const auto& cell) {
    for (size_t i = 0; i < columns->size(); ++i)
      std::cout << (i == 0 ? "" : ",") << CsvField(cell((*columns)[i]));
    std::cout << "\n";
  };
  line([](const std::string& column) { return column; });
  const auto read = found.reader->Read(found.log, [&](const Row& cells) {
    const KeptRow row = Keep(cells);
    line([&](const std::string& column) {
      const std::string* json = Find(row, column);
      return json == nullptr ? std::string() : *json;
    });
  });
  if (!read) return Complain(read.error());
  if (read->bad_bytes == 0) return kExitOk;
  std::cerr << "flarebridge: " << found.log.string() << ": " << StateOf(*read) << '\n';
  return kExitData;
}

std::string Shorten(const std::string& text, size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 2) + "..";
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

void PrintTable(const std::vector<std::string>& columns, const std::deque<KeptRow>& rows,
                uint64_t all_rows) {
  constexpr size_t kWidest = 22;
  std::vector<std::string> shown;
  for (const std::string& column : columns) {
    if (column == "_step" || !column.starts_with('_')) shown.push_back(column);
  }
  std::vector<size_t> widths;
  for (const std::string& column : shown) {
    size_t width = column.size();
    for (const KeptRow& row : rows) {
      if (const std::string* json = Find(row, column)) width = std::max(width, json->size());
    }
    widths.push_back(std::min(width, kWidest));
  }
  std::cout << "\nrows";
  if (rows.size() < all_rows)
    std::cout << " (the last " << rows.size() << " of " << all_rows << "; --rows 0 shows all)";
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
  line([](const std::string& column) { return column; });
  for (const KeptRow& row : rows) {
    line([&](const std::string& column) {
      const std::string* json = Find(row, column);
      return json == nullptr ? std::string() : *json;
    });
  }
}

int ShowTable(const FoundRun& found, int most_rows) {
  const auto columns = ColumnsOf(found);
  if (!columns) return Complain(columns.error());
  std::deque<KeptRow> rows;
  const auto run = found.reader->Read(found.log, [&](const Row& row) {
    rows.push_back(Keep(row));
    if (most_rows > 0 && rows.size() > static_cast<size_t>(most_rows)) rows.pop_front();
  });
  if (!run) return Complain(run.error());
  std::cout << Printable(run->name) << "\n"
            << "  state    " << StateOf(*run) << "\n  run id   " << Printable(run->id)
            << "\n  project  " << Printable(run->project) << "\n  group    "
            << Printable(run->group) << "\n  log      " << found.log.string() << "\n";
  PrintPairs("config", run->config);
  PrintPairs("summary", run->summary);
  if (!rows.empty()) PrintTable(*columns, rows, run->rows);
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
