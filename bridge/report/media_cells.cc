#include "bridge/report/media_cells.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "receivers/json_scan.h"

namespace flarebridge {
namespace {

constexpr std::string_view kType = "_type", kTypeBehindKey = "._type";

// Of W&B's package (0.31.0, sdk/data_types), without those that are never in a row. An object of
// another type is somebody's own, whose members are values.
constexpr std::array<std::string_view, 21> kTypes = {"image-file",
                                                     "images/separated",
                                                     "histogram",
                                                     "audio-file",
                                                     "audio",
                                                     "video-file",
                                                     "videos",
                                                     "html-file",
                                                     "html",
                                                     "object3D-file",
                                                     "object3D",
                                                     "molecule-file",
                                                     "molecule",
                                                     "plotly-file",
                                                     "bokeh-file",
                                                     "table-file",
                                                     "incremental-table-file",
                                                     "table",
                                                     "graph-file",
                                                     "joined-table",
                                                     "numpy.ndarray"};

bool IsKnown(std::string_view type) {
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

std::string_view WithoutQuotes(std::string_view json) {
  const bool is_text = json.size() >= 2 && json.front() == '"' && json.back() == '"';
  return is_text ? json.substr(1, json.size() - 2) : std::string_view();
}

// The members of an object that has a type; else nothing is in it.
MediaValue ObjectIn(const Cell& cell) {
  MediaValue value{cell.key, {}, {}};
  if (!cell.json.starts_with('{') || cell.json.find(kType) == std::string_view::npos) return value;
  VisitMembers(cell.json, [&](std::string_view name, std::string_view json) {
    name = WithoutQuotes(name);
    if (name == kType) value.type = WithoutQuotes(json);
    value.members.emplace_back(name, json);
  });
  return value;
}

}  // namespace

std::string_view MediaValue::Find(std::string_view name) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [name](const auto& member) { return member.first == name; });
  return found == members.end() ? std::string_view() : found->second;
}

void MediaCells::Take(const Row& row) {
  values_.clear();
  FindValues(row);
  if (!values_.empty()) FindMembers(row);
}

void MediaCells::FindValues(const Row& row) {
  for (size_t i = 0; i < row.size(); ++i) {
    const Cell& cell = row[i];
    if (cell.key.starts_with('_')) continue;
    MediaValue value;
    if (cell.key.ends_with(kTypeBehindKey)) {
      value.key = cell.key.substr(0, cell.key.size() - kTypeBehindKey.size());
      value.type = WithoutQuotes(cell.json);
    } else {
      value = ObjectIn(cell);
    }
    if (!IsKnown(value.type)) continue;
    if (values_.empty()) held_.assign(row.size(), false);
    held_[i] = true;
    values_.push_back(std::move(value));
  }
}

void MediaCells::FindMembers(const Row& row) {
  std::unordered_map<std::string_view, size_t> places;
  for (size_t i = 0; i < values_.size(); ++i) places.emplace(values_[i].key, i);
  for (size_t i = 0; i < row.size(); ++i) {
    // A member may have members, and a key dots of its own.
    const std::string_view key = row[i].key;
    for (size_t dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.', dot + 1)) {
      const auto found = places.find(key.substr(0, dot));
      if (found == places.end()) continue;
      if (!held_[i]) values_[found->second].members.emplace_back(key.substr(dot + 1), row[i].json);
      held_[i] = true;
      break;
    }
  }
}

}  // namespace flarebridge
