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
#include "receivers/wandb/log/log_summary.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using wandb::LogSummary;
using wandb::ParsedRecord;
using ParsedRow = std::vector<ParsedRecord::ParsedItem>;

// A row that outlives the record it was read from.
using Row = std::vector<std::pair<std::string, std::string>>;

Row Keep(const ParsedRow& parsed) {
  Row row;
  for (const ParsedRecord::ParsedItem& item : parsed) row.emplace_back(item.key, item.json);
  return row;
}

const std::string* Find(const Row& row, const std::string& key) {
  const auto found =
      std::find_if(row.begin(), row.end(), [&](const auto& item) { return item.first == key; });
  return found == row.end() ? nullptr : &found->second;
}

std::string StateOf(const LogSummary& log) {
  std::string state = log.state == LogSummary::State::kRunning    ? "running"
                      : log.state == LogSummary::State::kFinished ? "finished"
                                                                  : "failed";
  if (log.state == LogSummary::State::kFailed)
    state += " (exit code " + std::to_string(log.exit_code) + ")";
  if (log.corrupt) state += ", damaged: what follows the damage is not shown";
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

int ShowJson(const fs::path& log) {
  // Rows come before the rest is known, so they go out first, one after the other.
  std::cout << "{\"rows\": [";
  const char* separator = "\n";
  const auto summary = wandb::ReadLog(log, [&](const ParsedRow& row) {
    std::cout << separator << JsonObject(Keep(row));
    separator = ",\n";
  });
  if (!summary) return Complain(summary.error());
  const wandb::RunRecord& run = summary->run;
  std::cout << "],\n\"run\": {\"id\": " << Quote(run.run_id)
            << ", \"name\": " << Quote(run.display_name) << ", \"project\": " << Quote(run.project)
            << ", \"entity\": " << Quote(run.entity) << ", \"group\": " << Quote(run.group)
            << ", \"job_type\": " << Quote(run.job_type) << ", \"notes\": " << Quote(run.notes)
            << ", \"tags\": [";
  for (size_t i = 0; i < run.tags.size(); ++i)
    std::cout << (i == 0 ? "" : ", ") << Quote(run.tags[i]);
  std::cout << "], \"state\": "
            << Quote(summary->state == LogSummary::State::kRunning    ? "running"
                     : summary->state == LogSummary::State::kFinished ? "finished"
                                                                      : "failed")
            << ", \"exit_code\": "
            << (summary->state == LogSummary::State::kRunning ? "null"
                                                              : std::to_string(summary->exit_code))
            << ", \"damaged\": " << (summary->corrupt ? "true" : "false")
            << ", \"log\": " << Quote(log.string())
            << "},\n\"config\": " << JsonObject(summary->config)
            << ",\n\"summary\": " << JsonObject(summary->summary) << "}\n";
  return summary->corrupt ? kExitData : kExitOk;
}

// The keys of all rows: the step, then the user's in the order of their first row, then W&B's own.
Expected<std::vector<std::string>> ColumnsOf(const fs::path& log) {
  std::vector<std::string> columns;
  const auto read = wandb::ReadLog(log, [&](const ParsedRow& row) {
    for (const ParsedRecord::ParsedItem& item : row) {
      if (std::find(columns.begin(), columns.end(), item.key) == columns.end())
        columns.push_back(item.key);
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

int ShowCsv(const fs::path& log) {
  const auto columns = ColumnsOf(log);
  if (!columns) return Complain(columns.error());
  const auto line = [&](const auto& cell) {
    for (size_t i = 0; i < columns->size(); ++i)
      std::cout << (i == 0 ? "" : ",") << CsvField(cell((*columns)[i]));
    std::cout << "\n";
  };
  line([](const std::string& column) { return column; });
  const auto read = wandb::ReadLog(log, [&](const ParsedRow& parsed) {
    const Row row = Keep(parsed);
    line([&](const std::string& column) {
      const std::string* json = Find(row, column);
      return json == nullptr ? std::string() : *json;
    });
  });
  return read ? kExitOk : Complain(read.error());
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

void PrintTable(const std::vector<std::string>& columns, const std::deque<Row>& rows,
                uint64_t all_rows) {
  constexpr size_t kWidest = 22;
  std::vector<std::string> shown;
  for (const std::string& column : columns) {
    if (column == "_step" || !column.starts_with('_')) shown.push_back(column);
  }
  std::vector<size_t> widths;
  for (const std::string& column : shown) {
    size_t width = column.size();
    for (const Row& row : rows) {
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
  for (const Row& row : rows) {
    line([&](const std::string& column) {
      const std::string* json = Find(row, column);
      return json == nullptr ? std::string() : *json;
    });
  }
}

int ShowTable(const fs::path& log, int most_rows) {
  const auto columns = ColumnsOf(log);
  if (!columns) return Complain(columns.error());
  std::deque<Row> rows;
  const auto summary = wandb::ReadLog(log, [&](const ParsedRow& row) {
    rows.push_back(Keep(row));
    if (most_rows > 0 && rows.size() > static_cast<size_t>(most_rows)) rows.pop_front();
  });
  if (!summary) return Complain(summary.error());
  const wandb::RunRecord& run = summary->run;
  std::cout << Printable(run.display_name) << "\n"
            << "  state    " << StateOf(*summary) << "\n  run id   " << Printable(run.run_id)
            << "\n  project  " << Printable(run.project) << "\n  group    " << Printable(run.group)
            << "\n  log      " << log.string() << "\n";
  PrintPairs("config", summary->config);
  PrintPairs("summary", summary->summary);
  if (!rows.empty()) PrintTable(*columns, rows, summary->rows);
  return summary->corrupt ? kExitData : kExitOk;
}

// --- a folder of runs ---

int ShowList(const std::vector<fs::path>& logs, bool json) {
  int status = kExitOk;
  const char* separator = "";
  if (json) std::cout << "[";
  for (const fs::path& log : logs) {
    const auto summary = wandb::ReadLog(log, nullptr);
    if (!summary) {
      status = Complain(summary.error());
      continue;
    }
    std::string keys;
    for (const auto& [key, value] : summary->summary) keys += (keys.empty() ? "" : ", ") + key;
    if (json) {
      std::cout << separator << "{\"log\": " << Quote(log.string())
                << ", \"id\": " << Quote(summary->run.run_id)
                << ", \"name\": " << Quote(summary->run.display_name)
                << ", \"state\": " << Quote(StateOf(*summary)) << ", \"rows\": " << summary->rows
                << "}";
      separator = ",\n ";
      continue;
    }
    std::cout << Printable(summary->run.display_name) << "\n  " << StateOf(*summary) << ", "
              << summary->rows << (summary->rows == 1 ? " row" : " rows")
              << (keys.empty() ? "" : ": " + Printable(Shorten(keys, 90))) << "\n  "
              << log.parent_path().string() << "\n";
  }
  if (json) std::cout << "]\n";
  return status;
}

bool AllFinished(const std::vector<fs::path>& logs) {
  return !logs.empty() && std::all_of(logs.begin(), logs.end(), [](const fs::path& log) {
    const auto summary = wandb::ReadLog(log, nullptr);
    return summary && summary->state != LogSummary::State::kRunning;
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
  auto logs = wandb::FindLogs(arguments.path);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(arguments.wait);
  int status = kExitOk;
  if (arguments.wait > 0) {
    while (!(logs && AllFinished(*logs)) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      logs = wandb::FindLogs(arguments.path);
    }
    if (!(logs && AllFinished(*logs))) status = kExitNotFinished;
  }
  if (!logs) return Complain(logs.error());
  if (logs->empty()) return Complain({ErrorCode::kIo, "no run below " + arguments.path});
  std::error_code ignored;
  const bool listed =
      logs->size() > 1 || (fs::is_directory(arguments.path, ignored) && !arguments.csv &&
                           fs::canonical(arguments.path, ignored) != logs->front().parent_path());
  int shown = kExitOk;
  if (listed && arguments.csv) {
    std::cerr << "flarebridge: --csv takes one run; there are " << logs->size() << " below "
              << arguments.path << '\n';
    return kExitUsage;
  }
  if (listed) {
    shown = ShowList(*logs, arguments.json);
  } else if (arguments.json) {
    shown = ShowJson(logs->front());
  } else if (arguments.csv) {
    shown = ShowCsv(logs->front());
  } else {
    shown = ShowTable(logs->front(), arguments.rows);
  }
  return shown != kExitOk ? shown : status;
}

}  // namespace flarebridge
