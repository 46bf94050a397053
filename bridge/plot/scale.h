// From values to dots, and the values that an axis names. Used by charts. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace flarebridge {

// The values that an axis is about, finite, lowest <= highest.
struct Span {
  double lowest = 0, highest = 0;
};

class Scale {
 public:
  // With `log`, lowest > 0. `dots`: > 0.
  Scale(Span span, size_t dots, bool log);

  // The nearest dot, from 0 for the lowest value to `dots` - 1; a value outside is at the edge. The
  // only value of a span is in the middle.
  int64_t Place(double value) const;

 private:
  double On(double value) const { return log_ ? Log(value) : value; }
  static double Log(double value);

  bool log_;
  double lowest_, highest_;  // as they are on the axis
  int64_t last_;             // dot
};

// Round values within the span, multiples of 1, 2 or 5 times a power of ten, `most` at most (>= 2)
// and at least two, for which the ends of the span stand in where no others are; of a span of one
// value that one. None is nearer to the next than `least_step`.
std::vector<double> Ticks(Span span, size_t most, double least_step = 0);
// For a logarithmic axis: powers of ten, in a short span round values as above.
std::vector<double> LogTicks(Span span, size_t most);

// Five significant digits, or as many more as it takes to tell the values apart.
std::vector<std::string> LabelsOf(const std::vector<double>& values);
// Steps: all digits, of more than ten as LabelsOf().
std::vector<std::string> StepLabelsOf(const std::vector<double>& steps);

}  // namespace flarebridge
