#include "bridge/report/report_data.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "bridge/report/cell_value.h"
#include "bridge/report/page_text.h"
#include "bridge/report/row_place.h"

namespace flarebridge {
namespace {

// What W&B's package and we write of a run ourselves, and what is shown elsewhere in a report.
bool IsUsersText(std::string_view name) {
  for (const std::string_view known :
       {"config.yaml", "requirements.txt", "conda-environment.yaml", "output.log", "diff.patch"})
    if (name == known) return false;
  for (const std::string_view begin : {"media/", "code/", "artifact/", "logs/", "wandb-"})
    if (name.starts_with(begin)) return false;
  return true;
}

}  // namespace

void ReportData::Add(const FoundRun& found) {
  found_.push_back(found);
  runs_.emplace_back().log = found.log.string();
  columns_.assign(keys_.size(), {});
  keys_of_row_.clear();
  step_ = -1;
  images_.BeginRun();
  run_files_.clear();
  RunVisitor visit;
  visit.row = [this](const Row& row) { AddRow(row); };
  visit.console = [this](std::string_view piece) { AddConsole(piece); };
  visit.file = [this](std::string_view name, std::string_view place) {
    if (!IsUsersText(name) || name.size() > kMostKeyBytes || place.size() > kMostKeyBytes) return;
    if (run_files_.size() < kMostFiles || run_files_.contains(std::string(name))) {
      run_files_.insert_or_assign(std::string(name), place);
    } else {
      ++runs_.back().other_files;
    }
  };
  const Expected<RunSummary> summary = found.reader->Read(found.log, visit);
  images_.EndRun();
  runs_.back().console.End();
  FitConsoleToOthers();
  AddFiles();
  if (summary) {
    TakeSummary(*summary);
  } else {
    runs_.back().unreadable = summary.error().message;
  }
}

void ReportData::AddFiles() {
  for (const auto& [name, place] : run_files_) {
    const Expected<std::string> text =
        found_.back().reader->ReadFile(found_.back().log, place, kMostFileBytes);
    if (!text || !IsText(*text) || file_bytes_ + text->size() > kMostBytesOfFiles) {
      ++runs_.back().other_files;
      continue;
    }
    file_bytes_ += text->size();
    files_.push_back({static_cast<uint32_t>(runs_.size() - 1), name, *text});
  }
}

void ReportData::AddConsole(std::string_view piece) {
  runs_.back().console.Take(piece, kMostBytesOfConsole);
}

void ReportData::FitConsoleToOthers() {
  runs_.back().console.Fit(kMostBytesOfConsole);
  size_t bytes = 0;
  for (const ReportRun& run : runs_) bytes += run.console.text().size();
  if (bytes > kMostBytesOfConsoles) FitConsoles(kMostBytesOfConsoles / runs_.size());
}

void ReportData::FitConsoles(size_t most_bytes) {
  for (ReportRun& run : runs_) run.console.Fit(most_bytes);
}

size_t ReportData::MostConsoleBytes() const {
  size_t most = 0;
  for (const ReportRun& run : runs_) most = std::max(most, run.console.text().size());
  return most;
}

void ReportData::LoadImages(size_t most) {
  images_.Load(
      [this](uint32_t run, std::string_view place, size_t most_bytes) {
        return found_[run].reader->ReadFile(found_[run].log, place, most_bytes);
      },
      most);
}

void ReportData::Fit(size_t most_bins) {
  for (ReportSeries& series : series_) series.bins.Fit(most_bins);
}

size_t ReportData::MostBins() const {
  size_t most = 0;
  for (const ReportSeries& series : series_) most = std::max(most, series.bins.bins().size());
  return most;
}

void ReportData::TakeSummary(const RunSummary& summary) {
  ReportRun& run = runs_.back();
  run.state = summary.state;
  run.id = summary.id;
  run.name = summary.name;
  run.project = summary.project;
  run.group = summary.group;
  run.exit_code = summary.exit_code;
  run.bad_bytes = summary.bad_bytes;
  run.left_out += summary.left_out;
  for (const auto& [key, json] : summary.config) {
    std::string name = Shortened(key, kMostConfigBytes), value = Shortened(json, kMostConfigBytes);
    const size_t bytes = name.size() + value.size();
    if (run.config.size() >= kMostConfigKeys || config_bytes_ + bytes > kMostBytesOfConfig) {
      ++run.left_out;
      continue;
    }
    config_bytes_ += bytes;
    run.config.emplace(std::move(name), std::move(value));
  }
}

void ReportData::AddRow(const Row& row) {
  const float time = BeginRow(row);
  media_.Take(row);
  keys_of_row_.resize(row.size(), kNone);
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].key.starts_with('_') || media_.Holds(i)) continue;
    const uint32_t key = KeyOf(row[i].key, i);
    if (key == kNone) {
      ++runs_.back().left_out;
    } else {
      AddCell(key, row[i].json, time);
    }
  }
  AddMedia(time);
}

void ReportData::AddMedia(float time) {
  for (const MediaValue& value : media_.values()) {
    const uint32_t key = FindKey(value.key);
    const auto run = static_cast<uint32_t>(runs_.size() - 1);
    if (key == kNone) {
      ++runs_.back().left_out;
    } else if (const std::optional<HistogramRange> range = HistogramRangeOf(value)) {
      AddHistogram(key, *range, time);
    } else if (!images_.Take(key, run, step_, value)) {
      ++others_[key];
    }
  }
}

float ReportData::BeginRow(const Row& row) {
  ReportRun& run = runs_.back();
  ++run.rows;
  const RowPlace place = PlaceOf(row, step_);
  if (run.rows > 1 && place.step < step_) ++run.steps_back;
  step_ = place.step;
  if (!std::isfinite(place.time)) return std::numeric_limits<float>::quiet_NaN();
  if (std::isnan(run.start)) run.start = place.Start();
  run.last_time = std::isnan(run.last_time) ? place.time : std::max(run.last_time, place.time);
  return static_cast<float>(place.time - run.start);
}

void ReportData::AddCell(uint32_t key, std::string_view json, float time) {
  switch (KindOf(json)) {
    case CellKind::kNumber:
      if (const std::optional<double> value = NumberIn(json)) AddNumber(key, *value, time);
      break;
    case CellKind::kText:
      AddText(key, json);
      break;
    case CellKind::kOther:
      ++others_[key];
      break;
    case CellKind::kNothing:
      break;
  }
}

void ReportData::AddNumber(uint32_t key, double value, float time) {
  uint32_t& place = columns_[key].series;
  if (place == kNone && !MakeSeries(key, false, place)) return;
  series_[place].bins.Add(step_, value, time, MostBinsOfOne());
}

void ReportData::AddHistogram(uint32_t key, const HistogramRange& range, float time) {
  uint32_t& place = columns_[key].histograms;
  if (place == kNone && !MakeSeries(key, true, place)) return;
  series_[place].bins.AddRange(step_, range.low, range.median, range.high, time, MostBinsOfOne());
}

bool ReportData::MakeSeries(uint32_t key, bool of_histograms, uint32_t& place) {
  if (series_.size() >= kMostSeries) {
    ++runs_.back().left_out;
    return false;
  }
  place = static_cast<uint32_t>(series_.size());
  series_.push_back({key, static_cast<uint32_t>(runs_.size() - 1), {}, of_histograms});
  // There is less room for each from now on.
  if (MostBinsOfOne() < kMostBinsOfOne && (series_.size() & 0xFF) == 0) Fit(MostBinsOfOne());
  return true;
}

void ReportData::AddText(uint32_t key, std::string_view json) {
  uint32_t& place = columns_[key].texts;
  if (place == kNone) {
    if (texts_.size() >= kMostSeries) {
      ++runs_.back().left_out;
      return;
    }
    place = static_cast<uint32_t>(texts_.size());
    texts_.push_back({key, static_cast<uint32_t>(runs_.size() - 1), 0, {}});
  }
  ReportTexts& texts = texts_[place];
  ++texts.all;
  if (texts.latest.size() >= kMostTexts) {
    text_bytes_ -= texts.latest.front().second.size();
    texts.latest.pop_front();
  }
  std::string text = ShortenedText(json, kMostTextBytes);
  if (text_bytes_ + text.size() > kMostBytesOfTexts) return;
  text_bytes_ += text.size();
  texts.latest.emplace_back(step_, std::move(text));
}

uint32_t ReportData::KeyOf(std::string_view name, size_t place_in_row) {
  uint32_t& likely = keys_of_row_[place_in_row];
  if (likely == kNone || keys_[likely] != name) likely = FindKey(name);
  return likely;
}

uint32_t ReportData::FindKey(std::string_view name) {
  const auto found = key_places_.find(name);
  if (found != key_places_.end()) return found->second;
  if (keys_.size() >= kMostKeys || name.size() > kMostKeyBytes) return kNone;
  if (key_bytes_ + name.size() > kMostBytesOfKeys) return kNone;
  key_bytes_ += name.size();
  const auto key = static_cast<uint32_t>(keys_.size());
  key_places_.emplace(keys_.emplace_back(name), key);
  columns_.emplace_back();
  return key;
}

size_t ReportData::MostBinsOfOne() const {
  const size_t fair = kMostBins / std::max<size_t>(series_.size(), 1);
  return std::clamp(fair, SeriesBins::kFewest, kMostBinsOfOne);
}

}  // namespace flarebridge
