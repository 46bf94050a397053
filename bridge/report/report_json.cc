#include "bridge/report/report_json.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "bridge/report/media_json.h"
#include "bridge/report/page_json.h"
#include "bridge/report/page_text.h"

namespace flarebridge {
namespace {

// Keys in which runs differ that are shown, and bytes of their values: there is one for each run.
constexpr size_t kMostDifferent = 60;
constexpr size_t kMostDifferentBytes = 120;

const char* NameOf(const ReportRun& run) {
  return run.unreadable.empty() ? NameOf(run.state) : "unreadable";
}

void AppendRun(const ReportRun& run, std::string& out) {
  PageObject object(out);
  object.Text("name", run.name);
  object.Text("id", run.id);
  object.Text("project", run.project);
  object.Text("group", run.group);
  object.Text("log", run.log);
  object.Text("state", NameOf(run));
  object.Some("exit_code", run.exit_code);
  object.Whole("rows", run.rows);
  object.Some("bad_bytes", run.bad_bytes);
  object.Some("left_out", run.left_out);
  object.Some("other_files", run.other_files);
  object.Some("steps_back", run.steps_back);
  if (!run.unreadable.empty()) object.Text("unreadable", run.unreadable);
  if (std::isfinite(run.start)) {
    object.Number("start", run.start);
    object.Number("seconds", run.last_time - run.start);
  }
  object.Close();
}

// --- config ---

using Values = std::vector<const std::string*>;  // by run, null where it has none

std::map<std::string_view, Values> ConfigByKey(const std::vector<ReportRun>& runs) {
  std::map<std::string_view, Values> all;
  for (size_t i = 0; i < runs.size(); ++i) {
    for (const auto& [key, json] : runs[i].config) {
      Values& values = all[key];
      values.resize(runs.size(), nullptr);
      values[i] = &json;
    }
  }
  return all;
}

bool AreTheSame(const Values& values) {
  return std::all_of(values.begin(), values.end(), [&](const std::string* value) {
    return value != nullptr && values.front() != nullptr && *value == *values.front();
  });
}

void AppendConfig(const std::vector<ReportRun>& runs, std::string& out) {
  std::vector<std::pair<std::string_view, Values>> same, different;
  for (auto& [key, values] : ConfigByKey(runs))
    (AreTheSame(values) ? same : different).emplace_back(key, values);
  PageObject object(out);
  object.Some("left_out", different.size() - std::min(different.size(), kMostDifferent));
  different.resize(std::min(different.size(), kMostDifferent));
  AppendList(same, object.At("same"), [&](const auto& entry) {
    out.push_back('[');
    AppendPageText(entry.first, out);
    out.push_back(',');
    AppendPageText(*entry.second.front(), out);
    out.push_back(']');
  });
  AppendList(different, object.At("different"), [&](const auto& entry) {
    out.push_back('[');
    AppendPageText(entry.first, out);
    out.push_back(',');
    AppendList(entry.second, out, [&](const std::string* value) {
      if (value == nullptr) {
        out += "null";
      } else {
        AppendPageText(std::string_view(*value).substr(0, kMostDifferentBytes), out);
      }
    });
    out.push_back(']');
  });
  object.Close();
}

// --- curves ---

// Steps, times and counts of a series' bins. Metrics that are logged together have the same ones,
// which are written once.
std::string AxisJson(const SeriesBins& series) {
  std::string out;
  std::vector<float> times;
  bool single = true;
  PageObject object(out);
  object.Whole("shift", series.shift());
  uint64_t before = 0;
  // The first place, and from each to the next: short numbers.
  AppendList(series.bins(), object.At("places"), [&](const SeriesBin& bin) {
    const auto place = static_cast<uint64_t>(bin.place);
    out += times.empty() ? std::to_string(bin.place) : std::to_string(place - before);
    before = place;
    times.push_back(bin.time);
    single = single && bin.count == 1;
  });
  AppendPageArray(times, object.At("times"));
  if (!single) {
    AppendList(series.bins(), object.At("counts"),
               [&](const SeriesBin& bin) { out += std::to_string(bin.count); });
  }
  object.Close();
  return out;
}

void AppendBins(const SeriesBins& series, double SeriesBin::*member, std::string& out) {
  std::vector<double> numbers;
  numbers.reserve(series.bins().size());
  for (const SeriesBin& bin : series.bins()) numbers.push_back(bin.*member);
  AppendPageArray(numbers, out);
}

// Whether a bin holds more than one value.
bool HasRanges(const ReportSeries& series) {
  const std::vector<SeriesBin>& bins = series.bins.bins();
  return series.of_histograms ||
         std::any_of(bins.begin(), bins.end(), [](const SeriesBin& bin) { return bin.count > 1; });
}

void AppendSeries(const ReportSeries& series, size_t axis, std::string& out) {
  const SeriesBins& bins = series.bins;
  PageObject object(out);
  object.Whole("key", series.key);
  object.Whole("run", series.run);
  object.Whole("axis", axis);
  object.Number("last", bins.last());
  object.Some("histograms", series.of_histograms ? 1 : 0);
  AppendBins(bins, &SeriesBin::mean, object.At("mean"));
  if (HasRanges(series)) {
    AppendBins(bins, &SeriesBin::least, object.At("least"));
    AppendBins(bins, &SeriesBin::most, object.At("most"));
  }
  object.Some("nan", bins.not_a_number());
  object.Some("infinite", bins.infinite());
  if (bins.not_a_number() + bins.infinite() > 0) object.Whole("first", bins.first_not_finite());
  object.Close();
}

void AppendCurves(const ReportData& data, PageObject& object, std::string& out) {
  std::unordered_map<std::string, size_t> places;
  std::vector<const std::string*> axes;
  AppendList(data.series(), object.At("series"), [&](const ReportSeries& series) {
    const auto [found, is_new] = places.emplace(AxisJson(series.bins), axes.size());
    if (is_new) axes.push_back(&found->first);
    AppendSeries(series, found->second, out);
  });
  AppendList(axes, object.At("axes"), [&](const std::string* axis) { out += *axis; });
}

// Bytes of the values alone: 4 of base64 for 3.
size_t LeastBytes(const ReportData& data) {
  size_t numbers = 0;
  for (const ReportSeries& series : data.series())
    numbers += series.bins.bins().size() * (HasRanges(series) ? 3 : 1);
  return numbers * sizeof(double) * 4 / 3;
}

// Bins of which a series may have so much fewer that `bytes` become `most`.
size_t FewerBins(size_t bins, size_t bytes, size_t most) {
  const double share = static_cast<double>(most) / static_cast<double>(bytes);
  return std::min(bins - 1, static_cast<size_t>(static_cast<double>(bins) * share));
}

}  // namespace

std::string ReportJson(const ReportData& data, const ReportOrigin& origin) {
  std::string out;
  PageObject object(out);
  object.Text("program", origin.program);
  object.Number("made", origin.made);
  AppendList(origin.folders, object.At("folders"),
             [&](const std::string& folder) { AppendPageText(folder, out); });
  AppendList(data.runs(), object.At("runs"), [&](const ReportRun& run) { AppendRun(run, out); });
  AppendConfig(data.runs(), object.At("config"));
  AppendList(data.keys(), object.At("keys"),
             [&](const std::string& key) { AppendPageText(key, out); });
  AppendCurves(data, object, out);
  AppendMedia(data, object, out);
  AppendList(data.others(), object.At("others"), [&](const auto& entry) {
    out += '[' + std::to_string(entry.first) + ',' + std::to_string(entry.second) + ']';
  });
  object.Close();
  return out;
}

std::string FittedReportJson(ReportData& data, const ReportOrigin& origin, size_t most_bytes) {
  // Images have what the rest leaves, and this much of it in any case.
  const size_t for_images = std::min(data.images().WantedBytes(), most_bytes / 5 * 3);
  const size_t most = most_bytes - for_images;
  // What is too much by its values alone is not written first.
  for (size_t bytes = LeastBytes(data), bins = data.MostBins();
       bytes > most && bins > SeriesBins::kFewest; bytes = LeastBytes(data), bins = data.MostBins())
    data.Fit(FewerBins(bins, bytes, most));
  std::string json = ReportJson(data, origin);
  for (size_t bins = data.MostBins(); json.size() > most && bins > SeriesBins::kFewest;
       bins = data.MostBins()) {
    data.Fit(FewerBins(bins, json.size(), most));
    json = ReportJson(data, origin);
  }
  // A text may take six times its bytes.
  for (size_t bytes = data.MostConsoleBytes(); json.size() > most && bytes > 0;
       bytes = data.MostConsoleBytes()) {
    data.FitConsoles(bytes / 2);
    json = ReportJson(data, origin);
  }
  if (for_images == 0) return json;
  // What is said of images that can't be shown is not known before.
  constexpr size_t kForFaults = 300'000;
  const size_t taken = json.size() + kForFaults;
  data.LoadImages(most_bytes - std::min(taken, most_bytes));
  return ReportJson(data, origin);
}

}  // namespace flarebridge
