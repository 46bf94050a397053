#include "bridge/report/series_bins.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace flarebridge {
namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();
constexpr int kWidest = 63;  // of shifts: what is left of a step is its sign

uint32_t Sum(uint32_t a, uint32_t b) {
  return a + std::min(b, std::numeric_limits<uint32_t>::max() - a);
}

// A mean by its parts, none of which is larger than the larger value: no sum that overflows.
double MeanOf(double a, double weight_a, double b, double weight_b) {
  const double all = weight_a + weight_b;
  return a * (weight_a / all) + b * (weight_b / all);
}

void AddValue(SeriesBin& bin, double least, double value, double most) {
  if (bin.count == 0) {
    bin.least = least;
    bin.most = most;
    bin.mean = value;
  } else {
    bin.least = std::min(bin.least, least);
    bin.most = std::max(bin.most, most);
    bin.mean = MeanOf(bin.mean, bin.count, value, 1);
  }
  bin.count = Sum(bin.count, 1);
}

// The later bin's values into the earlier one, whose time stays.
void Merge(SeriesBin& into, const SeriesBin& later) {
  if (later.count == 0) return;
  if (into.count == 0) {
    into.least = later.least;
    into.most = later.most;
    into.mean = later.mean;
  } else {
    into.least = std::min(into.least, later.least);
    into.most = std::max(into.most, later.most);
    into.mean = MeanOf(into.mean, into.count, later.mean, later.count);
  }
  into.count = Sum(into.count, later.count);
}

}  // namespace

void SeriesBins::Add(int64_t step, double value, float time, size_t most_bins) {
  SeriesBin& bin = BinAt(step >> shift_, time);
  last_ = value;
  if (std::isfinite(value)) {
    AddValue(bin, value, value, value);
  } else {
    CountNotFinite(step, value);
  }
  if (bins_.size() > most_bins) Fit(most_bins);
}

void SeriesBins::AddRange(int64_t step, double least, double value, double most, float time,
                          size_t most_bins) {
  AddValue(BinAt(step >> shift_, time), least, value, most);
  last_ = value;
  if (bins_.size() > most_bins) Fit(most_bins);
}

void SeriesBins::Fit(size_t most_bins) {
  while (bins_.size() > std::max(most_bins, kFewest) && shift_ < kWidest) Widen();
  if (bins_.capacity() > 4 * bins_.size()) bins_.shrink_to_fit();  // others need the room
}

SeriesBin& SeriesBins::BinAt(int64_t place, float time) {
  // Nearly always the last bin, or one behind it.
  auto at = bins_.end();
  if (!bins_.empty() && place <= bins_.back().place) {
    at = place == bins_.back().place ? bins_.end() - 1
                                     : std::lower_bound(bins_.begin(), bins_.end(), place,
                                                        [](const SeriesBin& bin, int64_t wanted) {
                                                          return bin.place < wanted;
                                                        });
    if (at->place == place) return *at;
  }
  return *bins_.insert(at, {place, 0, time, kNothing, kNothing, kNothing});
}

void SeriesBins::CountNotFinite(int64_t step, double value) {
  if (not_a_number_ + infinite_ == 0) first_not_finite_ = step;
  ++(std::isnan(value) ? not_a_number_ : infinite_);
}

void SeriesBins::Widen() {
  ++shift_;
  size_t kept = 0;
  for (size_t i = 0; i < bins_.size(); ++i) {
    SeriesBin bin = bins_[i];
    bin.place >>= 1;
    if (kept > 0 && bins_[kept - 1].place == bin.place) {
      Merge(bins_[kept - 1], bin);
    } else {
      bins_[kept++] = bin;
    }
  }
  bins_.resize(kept);
}

}  // namespace flarebridge
