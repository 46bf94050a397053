#include "bridge/report/report_data.h"

#include <algorithm>
#include <cmath>

#include "bridge/report/cell_value.h"
#include "bridge/report/row_place.h"

namespace flarebridge {
namespace {

std::string Shorten(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (text[most] & 0xC0) == 0x80) --most;  // within a character of UTF-8
  return std::string(text.substr(0, most)) + "…";
}

}  // namespace

void ReportData::Add(const FoundRun& found) {
  runs_.emplace_back().log = found.log.string();
  columns_.assign(keys_.size(), {});
  keys_of_row_.clear();
  step_ = -1;
  const Expected<RunSummary> summary =
      found.reader->Read(found.log, [this](const Row& row) { AddRow(row); });
  if (summary) {
    TakeSummary(*summary);
  } else {
    runs_.back().unreadable = summary.error().message;
  }
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
    std::string name = Shorten(key, kMostConfigBytes), value = Shorten(json, kMostConfigBytes);
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
  keys_of_row_.resize(row.size(), kNone);
  for (size_t i = 0; i < row.size(); ++i) {
    if (row[i].key.starts_with('_')) continue;
    const uint32_t key = KeyOf(row[i].key, i);
    if (key == kNone) {
      ++runs_.back().left_out;
    } else {
      AddCell(key, row[i].json, time);
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
  if (place == kNone) {
    if (series_.size() >= kMostSeries) {
      ++runs_.back().left_out;
      return;
    }
    place = static_cast<uint32_t>(series_.size());
    series_.push_back({key, static_cast<uint32_t>(runs_.size() - 1), {}});
    // There is less room for each from now on.
    if (MostBinsOfOne() < kMostBinsOfOne && (series_.size() & 0xFF) == 0) Fit(MostBinsOfOne());
  }
  series_[place].bins.Add(step_, value, time, MostBinsOfOne());
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
