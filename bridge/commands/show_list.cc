#include "bridge/commands/show_list.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <set>

#include "bridge/commands/amounts.h"
#include "bridge/commands/run_words.h"
#include "bridge/commands/text_table.h"
#include "receivers/json.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Until the last row.
std::string DurationOf(const ListedRun& run) {
  const double started = run.summary.started, last = run.ranges.last_time();
  return started > 0 && last >= started ? SecondsInWords(last - started) : "";
}

std::string JsonOf(std::string_view text) { return ToJson(text); }

void PrintRunAsJson(const ListedRun& listed) {
  const RunSummary& run = listed.summary;
  std::cout << "{\"log\": " << JsonOf(listed.found.log.string()) << ", \"id\": " << JsonOf(run.id)
            << ", \"short\": " << JsonOf(listed.name) << ", \"name\": " << JsonOf(run.name)
            << ", \"site\": " << JsonOf(run.site) << ", \"state\": " << JsonOf(StateOf(run))
            << ", \"written\": " << JsonOf(NameOf(run.written)) << ", \"rows\": " << run.rows
            << ", \"started\": " << ToJson(run.started)
            << ", \"last_row\": " << ToJson(listed.ranges.last_time())
            << ", \"uploaded\": " << (run.uploaded ? "true" : "false") << ", \"metrics\": {";
  const char* separator = "";
  for (const MetricRange& metric : listed.ranges.metrics()) {
    std::cout << separator << JsonOf(metric.name) << ": {\"last\": " << ToJson(metric.last);
    if (metric.lowest <= metric.highest)
      std::cout << ", \"lowest\": " << ToJson(metric.lowest)
                << ", \"highest\": " << ToJson(metric.highest);
    std::cout << "}";
    separator = ", ";
  }
  std::cout << "}}";
}

}  // namespace

void NameAndSort(RunList& list) {
  std::vector<const RunSummary*> summaries;
  summaries.reserve(list.runs.size());
  for (const auto& run : list.runs) summaries.push_back(&run->summary);
  std::vector<std::string> names = ShortNames(summaries);
  for (size_t i = 0; i < names.size(); ++i) list.runs[i]->name = std::move(names[i]);
  std::stable_sort(list.runs.begin(), list.runs.end(), [](const auto& a, const auto& b) {
    const std::string &x = SiteOrName(a->summary), &y = SiteOrName(b->summary);
    return x == y ? a->summary.started < b->summary.started : NaturallyBefore(x, y);
  });
}

RunList ReadRuns(const std::vector<FoundRun>& found, const RowOfRun& visit) {
  RunList list;
  list.runs.reserve(found.size());
  for (size_t place = 0; place < found.size(); ++place) {
    const FoundRun& one = found[place];
    auto listed = std::make_shared<ListedRun>();
    Expected<RunSummary> run = one.reader->Read(one.log, [&](const Row& row) {
      listed->ranges.Take(row);
      if (visit) visit(place, row);
    });
    if (!run) {
      list.errors.push_back(run.error());
      continue;
    }
    run->config.clear();
    run->summary.clear();
    listed->found = one;
    listed->summary = std::move(*run);
    listed->place = place;
    list.runs.push_back(std::move(listed));
  }
  NameAndSort(list);
  return list;
}

std::vector<std::shared_ptr<ListedRun>> Meant(const RunList& list, std::string_view word) {
  std::vector<std::shared_ptr<ListedRun>> meant;
  const auto take = [&](auto is_meant) {
    for (const auto& run : list.runs)
      if (is_meant(*run)) meant.push_back(run);
    return !meant.empty();
  };
  if (take([&](const ListedRun& run) {
        return word == run.name || word == run.summary.site || word == run.summary.name ||
               word == run.summary.id;
      }))
    return meant;
  if (word == "latest" && !list.runs.empty()) {
    const auto later = [](const auto& a, const auto& b) {
      return a->summary.started < b->summary.started;
    };
    return {*std::max_element(list.runs.begin(), list.runs.end(), later)};
  }
  take([&](const ListedRun& run) { return run.summary.id.starts_with(word); });
  return meant;
}

std::vector<std::string> MetricsOf(const RunList& list) {
  std::vector<std::string> names;
  std::set<std::string_view> known;
  for (const auto& run : list.runs)
    for (const MetricRange& metric : run->ranges.metrics())
      if (known.insert(metric.name).second) names.push_back(metric.name);
  return names;
}

void PrintRuns(std::ostream& out, const RunList& list, const std::string& below,
               size_t most_lines) {
  using Side = TextTable::Side;
  TextTable table({{"run"},
                   {"state"},
                   {"written"},
                   {"started"},
                   {"lasted", Side::kRight},
                   {"rows", Side::kRight},
                   {"uploaded"},
                   {"folder"}});
  const size_t shown = std::min(list.runs.size(), most_lines);
  for (size_t i = 0; i < shown; ++i) {
    const ListedRun& listed = *list.runs[i];
    const RunSummary& run = listed.summary;
    std::error_code ignored;
    const fs::path folder = listed.found.log.parent_path();
    const fs::path path = fs::proximate(folder, below, ignored);
    table.Add({listed.name, StateOf(run), NameOf(run.written), StartOf(run), DurationOf(listed),
               Grouped(run.rows), run.uploaded ? "yes" : "no", (ignored ? folder : path).string()});
  }
  table.Print(out);
  if (shown < list.runs.size())
    out << "and " << Counted(list.runs.size() - shown, "run") << " more\n";
}

void PrintMetrics(std::ostream& out, const RunList& list, size_t most_lines) {
  const std::vector<std::string> metrics = MetricsOf(list);
  if (metrics.empty()) return;
  using Side = TextTable::Side;
  TextTable table({{"metric"},
                   {"run"},
                   {"last", Side::kRight},
                   {"lowest", Side::kRight},
                   {"highest", Side::kRight}});
  size_t lines = 0, shown = 0;
  for (const std::string& name : metrics) {
    if (shown > 0 && lines + list.runs.size() > most_lines) break;
    bool first = true;
    for (const auto& run : list.runs) {
      const MetricRange* metric = run->ranges.Find(name);
      if (metric == nullptr) continue;
      const bool any = metric->lowest <= metric->highest;
      table.Add({first ? name : "", run->name, Rounded(metric->last),
                 any ? Rounded(metric->lowest) : "", any ? Rounded(metric->highest) : ""});
      first = false;
      ++lines;
    }
    ++shown;
  }
  out << '\n';
  table.Print(out);
  if (shown < metrics.size())
    out << "and " << Counted(metrics.size() - shown, "metric") << " more\n";
}

void PrintListAsJson(const RunList& list) {
  std::cout << "[";
  const char* separator = "";
  for (const auto& run : list.runs) {
    std::cout << separator;
    PrintRunAsJson(*run);
    separator = ",\n ";
  }
  std::cout << "]\n";
}

}  // namespace flarebridge
