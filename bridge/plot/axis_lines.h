// The axes of a chart as text: what stands before each of its lines, and the lines below them. Used
// by chart.cc. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bridge/plot/chart.h"
#include "bridge/plot/scale.h"

namespace flarebridge {

// The values' axis, at the left.
class UpAxis {
 public:
  // `rows`: lines of the curves. `width`: columns of the whole chart, of which at least 4 are left.
  UpAxis(Span span, size_t rows, bool log, size_t width);

  size_t width() const { return width_ + 2; }  // in columns
  // What stands before a line of curves; the first one is at the top.
  std::string Line(size_t row, bool utf8) const;

 private:
  size_t width_ = 0;                 // of the labels
  std::vector<std::string> labels_;  // by row, "": none
};

// The axis of steps or times, below: a line with its ticks, one with their numbers and the unit.
// `left`: columns before it, of `width` in all.
std::vector<std::string> AcrossLines(Span span, Chart::Across across, size_t left, size_t width,
                                     bool utf8);

}  // namespace flarebridge
