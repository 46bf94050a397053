// The values of one metric of one run as bins of steps: least, most and mean of each, so that a
// chart of a few hundred pixels shows every spike of millions of values. One pass: when there are
// more bins than may be, all of them double in width. A bin is as wide as a power of two and begins
// at a multiple of that, so that bins of several runs nest. Steps may come in any order; bins that
// hold nothing take no room. Used by ReportData. One thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace flarebridge {

struct SeriesBin {
  int64_t place = 0;   // its steps are those with step >> shift() == place
  uint32_t count = 0;  // of finite values, up to the type's largest
  float time = 0;      // of its first value, where steps grow; else of one of its values
  double least = 0, most = 0, mean = 0;  // NaN if it has no finite value
};

class SeriesBins {
 public:
  // Fewer are not kept: with the widest bins, those below 0 and those from 0 on are two.
  static constexpr size_t kFewest = 2;

  // `value` may be NaN or infinite: such values are counted and are in no least, most or mean; a
  // bin that holds nothing else is a gap. `time`: any unit. Keeps `most_bins` at most.
  void Add(int64_t step, double value, float time, size_t most_bins);
  // The same of a value that stands for others from `least` to `most`, all finite.
  void AddRange(int64_t step, double least, double value, double most, float time,
                size_t most_bins);
  // Widens until there are so many bins at most.
  void Fit(size_t most_bins);

  // In the order of their places.
  const std::vector<SeriesBin>& bins() const { return bins_; }
  int shift() const { return shift_; }  // a bin is 2^shift steps wide
  // The value that came last; NaN if there is none.
  double last() const { return last_; }
  uint64_t not_a_number() const { return not_a_number_; }
  uint64_t infinite() const { return infinite_; }
  int64_t first_not_finite() const { return first_not_finite_; }  // its step, if there is any

 private:
  SeriesBin& BinAt(int64_t place, float time);
  void CountNotFinite(int64_t step, double value);
  void Widen();

  std::vector<SeriesBin> bins_;
  int shift_ = 0;
  double last_ = std::numeric_limits<double>::quiet_NaN();
  uint64_t not_a_number_ = 0, infinite_ = 0;
  int64_t first_not_finite_ = 0;
};

}  // namespace flarebridge
