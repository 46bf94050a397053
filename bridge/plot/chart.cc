#include "bridge/plot/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "bridge/plot/axis_lines.h"
#include "bridge/plot/characters.h"
#include "bridge/plot/scale.h"
#include "events/printable.h"

namespace flarebridge {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kMostLegendLines = 3;
constexpr size_t kMostNotes = 3;

// Of a curve, over one of its bins.
struct Point {
  double x = 0;
  double least = 0, most = 0, mean = 0;
};

// Nothing: a gap.
std::optional<Point> PointOf(const SeriesBin& bin, int shift, const Chart& chart) {
  if (bin.count == 0) return {};
  Point point{bin.time, bin.least, bin.most, bin.mean};
  // Where the bin begins, as in a report.
  if (chart.across == Chart::Across::kStep)
    point.x = std::ldexp(static_cast<double>(bin.place), shift);
  if (!std::isfinite(point.x)) return {};
  if (!chart.log) return point;
  if (point.most <= 0) return {};
  // What of the bin is above 0: its mean, where there is one, else the most.
  if (point.mean <= 0) point.mean = point.most;
  if (point.least <= 0) point.least = point.mean;
  return point;
}

// A point for each bin, in the order of steps.
std::vector<std::optional<Point>> PointsOf(const SeriesBins& bins, const Chart& chart) {
  std::vector<std::optional<Point>> points;
  points.reserve(bins.bins().size());
  for (const SeriesBin& bin : bins.bins()) points.push_back(PointOf(bin, bins.shift(), chart));
  return points;
}

// What both axes are about; nothing: there is no point.
struct Spans {
  Span x{kInfinity, -kInfinity}, y{kInfinity, -kInfinity};
  bool empty() const { return x.lowest > x.highest; }
};

void Include(Span& span, double value) {
  span.lowest = std::min(span.lowest, value);
  span.highest = std::max(span.highest, value);
}

using CurvePoints = std::vector<std::vector<std::optional<Point>>>;

Spans SpansOf(const CurvePoints& curves) {
  Spans spans;
  for (const auto& points : curves) {
    for (const std::optional<Point>& point : points) {
      if (!point) continue;
      Include(spans.x, point->x);
      Include(spans.y, point->least);
      Include(spans.y, point->most);
    }
  }
  return spans;
}

// A point that no line leads to would be one dot, which nobody sees.
void PutBlock(Canvas& canvas, size_t run, Dot at) {
  for (const int64_t x : {at.x, at.x ^ 1})
    for (const int64_t y : {at.y, at.y ^ 1}) canvas.Put(run, {x, y});
}

void DrawCurve(Canvas& canvas, size_t run, const std::vector<std::optional<Point>>& points,
               const Scale& across, const Scale& up) {
  std::optional<Dot> before;
  for (size_t i = 0; i < points.size(); ++i) {
    if (!points[i]) {
      before.reset();
      continue;
    }
    const Point& point = *points[i];
    const Dot at{across.Place(point.x), up.Place(point.mean)};
    canvas.Line(run, {at.x, up.Place(point.least)}, {at.x, up.Place(point.most)});
    const bool alone = !before && (i + 1 == points.size() || !points[i + 1]);
    if (before) canvas.Line(run, *before, at);
    if (alone) PutBlock(canvas, run, at);
    before = at;
  }
}

std::vector<std::string> Legend(const Chart& chart, const Looks& looks, size_t width) {
  std::vector<std::string> lines(1);
  size_t used = 0, shown = 0;
  for (const Chart::Curve& curve : chart.curves) {
    const std::string& last = curve.last;
    // A mark, a name and its last value, with blanks between.
    const size_t room = width > last.size() + 3 ? width - last.size() - 3 : 1;
    const std::string name = ShortenedTo(Printable(curve.name), room);
    const size_t needs = CharactersOf(name) + last.size() + 3;
    if (used > 0 && used + 2 + needs > width) {
      if (lines.size() == kMostLegendLines) break;
      lines.emplace_back();
      used = 0;
    }
    if (used > 0) lines.back() += "  ";
    lines.back().append(MarkOf(looks, curve.run, chart.runs)).append(" ").append(name);
    lines.back().append(" ").append(last);
    used += needs + (used > 0 ? 2 : 0);
    ++shown;
  }
  const size_t more = chart.curves.size() - shown;
  if (more > 0)
    lines.push_back("and " + std::to_string(more) + (more == 1 ? " run" : " runs") + " more");
  return lines;
}

// What is not in the curves.
std::vector<std::string> Notes(const Chart& chart, size_t width) {
  std::vector<std::string> notes;
  size_t more = 0;
  bool below = false;
  for (const Chart::Curve& curve : chart.curves) {
    const SeriesBins& bins = *curve.bins;
    below = below || std::any_of(bins.bins().begin(), bins.bins().end(), [](const SeriesBin& bin) {
              return bin.count > 0 && bin.least <= 0;
            });
    if (bins.not_a_number() + bins.infinite() == 0) continue;
    if (notes.size() == kMostNotes) {
      ++more;
      continue;
    }
    std::string text;
    if (bins.not_a_number() > 0) text = std::to_string(bins.not_a_number()) + " NaN";
    if (bins.infinite() > 0)
      text += (text.empty() ? "" : ", ") + std::to_string(bins.infinite()) + " infinite";
    notes.push_back(Printable(curve.name) + ": " + text + ", the first at step " +
                    std::to_string(bins.first_not_finite()));
  }
  if (more > 0)
    notes.push_back("so have " + std::to_string(more) + (more == 1 ? " run" : " runs") + " more");
  if (chart.log && below) notes.emplace_back("values of 0 and below are gaps");
  for (std::string& note : notes) note = ShortenedTo(note, width);
  return notes;
}

std::string Title(const Chart& chart, const Looks& looks, size_t width) {
  const std::string log = chart.log ? " (log)" : "";
  const std::string title = ShortenedTo(Printable(chart.metric), width - log.size()) + log;
  return looks.colours ? "\033[1m" + title + "\033[0m" : title;
}

}  // namespace

std::vector<std::string> Draw(const Chart& chart, const Looks& looks, size_t width, size_t rows) {
  width = std::clamp(width, kLeastChartWidth, kMostChartWidth);
  CurvePoints curves;
  curves.reserve(chart.curves.size());
  for (const Chart::Curve& curve : chart.curves) curves.push_back(PointsOf(*curve.bins, chart));
  const Spans spans = SpansOf(curves);
  std::vector<std::string> lines = {Title(chart, looks, width)};
  if (spans.empty()) {
    lines.emplace_back(chart.log ? "no value above 0" : "no finite value");
  } else {
    const UpAxis up(spans.y, rows, chart.log, width);
    Canvas canvas(width - up.width(), rows, chart.runs);
    const Scale across(spans.x, canvas.width(), false);
    const Scale height(spans.y, canvas.height(), chart.log);
    for (size_t i = 0; i < curves.size(); ++i)
      DrawCurve(canvas, chart.curves[i].run, curves[i], across, height);
    const std::vector<std::string> drawn = canvas.Lines(looks);
    for (size_t row = 0; row < rows; ++row) lines.push_back(up.Line(row, looks.utf8) + drawn[row]);
    for (std::string& line : AcrossLines(spans.x, chart.across, up.width(), width, looks.utf8))
      lines.push_back(std::move(line));
  }
  for (std::string& line : Legend(chart, looks, width)) lines.push_back(std::move(line));
  for (std::string& line : Notes(chart, width)) lines.push_back(std::move(line));
  return lines;
}

}  // namespace flarebridge
