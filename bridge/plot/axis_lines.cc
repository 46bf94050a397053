#include "bridge/plot/axis_lines.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "bridge/plot/canvas.h"

namespace flarebridge {
namespace {

constexpr size_t kRowsOfTick = 3;      // of the values' axis: not one at each line
constexpr size_t kLeastForCurves = 4;  // columns
constexpr size_t kBetweenLabels = 3;   // columns, at least
constexpr size_t kColumnsOfTick = 10;  // one in so many is enough

// A unit of time, and how many seconds it has.
struct Unit {
  const char* name;
  double seconds;
};

// The one in which the axis has no number of more than three digits, mostly.
Unit UnitFor(double seconds) {
  constexpr std::array<Unit, 4> kUnits = {{{"s", 1}, {"min", 60}, {"h", 3600}, {"days", 86400}}};
  constexpr std::array<double, 3> kFrom = {300, 5 * 3600.0, 5 * 86400.0};
  size_t unit = 0;
  while (unit < kFrom.size() && seconds >= kFrom.at(unit)) ++unit;
  return kUnits.at(unit);
}

// What the axis names: where, and with which words.
struct Named {
  std::vector<double> ticks;
  std::vector<std::string> labels;
};

Named NamesOf(Span span, bool steps, size_t most) {
  Named named;
  named.ticks = Ticks(span, most, steps ? 1 : 0);
  named.labels = steps ? StepLabelsOf(named.ticks) : LabelsOf(named.ticks);
  return named;
}

// As many names as there is room for.
Named FittingNames(Span span, bool steps, size_t columns) {
  Named named;
  for (size_t most = std::max<size_t>(columns / kColumnsOfTick, 2); most >= 2; --most) {
    named = NamesOf(span, steps, most);
    size_t needs = 0;
    for (const std::string& label : named.labels) needs += label.size() + kBetweenLabels;
    if (needs <= columns + kBetweenLabels) break;
  }
  return named;
}

}  // namespace

UpAxis::UpAxis(Span span, size_t rows, bool log, size_t width) : labels_(rows) {
  const size_t most = std::max<size_t>(rows / kRowsOfTick + 1, 2);
  const std::vector<double> ticks = log ? LogTicks(span, most) : Ticks(span, most);
  const std::vector<std::string> labels = LabelsOf(ticks);
  const Scale scale(span, rows * Canvas::kDown, log);
  for (size_t i = 0; i < ticks.size(); ++i) {
    const auto dot = static_cast<size_t>(scale.Place(ticks[i]));
    std::string& label = labels_[rows - 1 - dot / Canvas::kDown];
    if (label.empty()) label = labels[i];
  }
  for (const std::string& label : labels_) width_ = std::max(width_, label.size());
  width_ = std::min(width_, width - 2 - kLeastForCurves);
}

std::string UpAxis::Line(size_t row, bool utf8) const {
  const std::string label = labels_[row].substr(0, width_);
  const char* tick = utf8 ? "┤" : "+";
  const char* line = utf8 ? "│" : "|";
  return std::string(width_ - label.size(), ' ') + label + " " + (label.empty() ? line : tick);
}

std::vector<std::string> AcrossLines(Span span, Chart::Across across, size_t left, size_t width,
                                     bool utf8) {
  const bool steps = across == Chart::Across::kStep;
  const Unit unit = steps ? Unit{"step", 1} : UnitFor(span.highest - span.lowest);
  span = {span.lowest / unit.seconds, span.highest / unit.seconds};
  const std::string name = unit.name;
  const size_t columns = width - left;
  // The unit stands at the end, where there is room for it.
  const bool has_name = columns > name.size() + 8;
  const size_t room = columns - (has_name ? name.size() + 1 : 0);
  const Named named = FittingNames(span, steps, room);
  const Scale scale(span, columns * Canvas::kAcross, false);
  std::vector<std::string> line(columns, utf8 ? "─" : "-");
  std::string numbers;
  for (size_t i = 0; i < named.ticks.size(); ++i) {
    const auto column = static_cast<size_t>(scale.Place(named.ticks[i])) / Canvas::kAcross;
    const std::string& label = named.labels[i];
    // In the middle below its tick, but within the room.
    const size_t middle = left + column - std::min(left + column, label.size() / 2);
    const size_t end = left + room;
    const size_t at = std::min(middle, end > label.size() ? end - label.size() : 0);
    line[column] = utf8 ? "┬" : "+";
    if (!numbers.empty() && at <= numbers.size()) continue;
    numbers.resize(at, ' ');
    numbers += label;
  }
  if (has_name && numbers.size() + name.size() < width) {
    numbers.resize(width - name.size(), ' ');
    numbers += name;
  }
  std::string axis = std::string(left - 1, ' ') + (utf8 ? "└" : "+");
  for (const std::string& piece : line) axis += piece;
  return {axis, numbers};
}

}  // namespace flarebridge
