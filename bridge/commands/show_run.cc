#include "bridge/commands/show_run.h"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <vector>

#include "bridge/commands/complain.h"
#include "bridge/commands/row_columns.h"
#include "bridge/commands/run_words.h"
#include "bridge/process/exit_code.h"
#include "events/printable.h"
#include "receivers/json.h"

namespace flarebridge {
namespace {

std::string Quote(std::string_view text) { return ToJson(text); }

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

std::string Shorten(std::string_view text, size_t width) {
  if (text.size() <= width) return std::string(text);
  return std::string(text.substr(0, width - 2)) + "..";
}

// `shown`: how a value is written.
template <class Shown>
void PrintPairs(const char* title, const std::map<std::string, std::string>& pairs, Shown shown) {
  if (pairs.empty()) return;
  std::cout << "\n" << title << "\n";
  size_t width = 0;
  for (const auto& [key, json] : pairs) width = std::max(width, std::min<size_t>(key.size(), 40));
  for (const auto& [key, json] : pairs) {
    std::cout << "  " << std::left << std::setw(static_cast<int>(width) + 2)
              << Printable(Shorten(key, 40)) << Printable(Shorten(shown(json), 100)) << "\n";
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
    line([&](size_t column) { return ForPeople(cells[column]); });
  });
  if (!read) return Propagate(read);
  return {};
}

}  // namespace

int ComplainOfRuns(const Error& error) {
  return Complain(error.message, error.code == ErrorCode::kIo ? kExitNoInput : kExitData);
}

int ShowRunAsJson(const FoundRun& found) {
  // Rows come before the rest is known, so they go out first, one after the other.
  std::cout << "{\"rows\": [";
  const char* separator = "\n";
  const auto run = found.reader->Read(found.log, [&](const Row& row) {
    std::cout << separator << JsonObject(row);
    separator = ",\n";
  });
  if (!run) return ComplainOfRuns(run.error());
  std::cout << "],\n\"run\": {\"id\": " << Quote(run->id) << ", \"name\": " << Quote(run->name)
            << ", \"project\": " << Quote(run->project) << ", \"entity\": " << Quote(run->entity)
            << ", \"group\": " << Quote(run->group) << ", \"job_type\": " << Quote(run->job_type)
            << ", \"notes\": " << Quote(run->notes) << ", \"tags\": [";
  for (size_t i = 0; i < run->tags.size(); ++i)
    std::cout << (i == 0 ? "" : ", ") << Quote(run->tags[i]);
  const bool running = run->state == RunSummary::State::kRunning;
  std::cout << "], \"state\": " << Quote(NameOf(run->state))
            << ", \"written\": " << Quote(NameOf(run->written))
            << ", \"exit_code\": " << (running ? "null" : std::to_string(run->exit_code))
            << ", \"damaged\": " << (run->bad_bytes > 0 ? "true" : "false")
            << ", \"damaged_bytes\": " << run->bad_bytes << ", \"left_out\": " << run->left_out
            << ", \"log\": " << Quote(found.log.string())
            << "},\n\"config\": " << JsonObject(run->config)
            << ",\n\"summary\": " << JsonObject(run->summary) << "}\n";
  return run->bad_bytes > 0 ? kExitData : kExitOk;
}

int ShowRunAsCsv(const FoundRun& found) {
  Columns columns;
  const auto run = columns.Take(found);
  if (!run) return ComplainOfRuns(run.error());
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
  if (!read) return ComplainOfRuns(read.error());
  const uint64_t left_out = run->left_out + columns.left_out();
  if (left_out > 0)
    std::cerr << "flarebridge: " << found.log.string() << ": " << LeftOutText(left_out) << '\n';
  if (read->bad_bytes == 0) return kExitOk;
  std::cerr << "flarebridge: " << found.log.string() << ": " << StateOf(*read) << '\n';
  return kExitData;
}

int ShowRun(const FoundRun& found, uint64_t most_rows) {
  Columns columns;
  const auto run = columns.Take(found);
  if (!run) return ComplainOfRuns(run.error());
  std::cout << Printable(run->name) << "\n"
            << "  state    " << StateOf(*run) << "\n  run id   " << Printable(run->id)
            << (run->site.empty() ? "" : "\n  site     " + Printable(run->site)) << "\n  started  "
            << StartOf(*run)
            << (run->written == RunSummary::Written::kUnknown
                    ? ""
                    : std::string("\n  written  ") + NameOf(run->written))
            << "\n  uploaded " << (run->uploaded ? "yes" : "no") << "\n  project  "
            << Printable(run->project) << "\n  group    " << Printable(run->group)
            << "\n  log      " << found.log.string() << "\n";
  const uint64_t left_out = run->left_out + columns.left_out();
  if (left_out > 0) std::cout << "  " << LeftOutText(left_out) << "\n";
  PrintPairs("config", run->config, [](const std::string& json) { return json; });
  PrintPairs("summary", run->summary, ForPeople);
  if (run->rows > 0) {
    const auto printed = PrintTable(found, columns, run->rows, most_rows);
    if (!printed) return ComplainOfRuns(printed.error());
  }
  return run->bad_bytes > 0 ? kExitData : kExitOk;
}

}  // namespace flarebridge
