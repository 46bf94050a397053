#include "bridge/report/series_bins.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

using namespace flarebridge;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Point {
  int64_t step;
  double value;
};

// All points, and what bins of a width hold of them.
class Model {
 public:
  void Add(int64_t step, double value) { points_.push_back({step, value}); }

  std::map<int64_t, std::vector<double>> Bins(int shift) const {
    std::map<int64_t, std::vector<double>> bins;
    for (const Point& point : points_) {
      std::vector<double>& values = bins[point.step >> shift];
      if (std::isfinite(point.value)) values.push_back(point.value);
    }
    return bins;
  }

  // The narrowest width with so few bins.
  int ShiftFor(size_t most_bins) const {
    int shift = 0;
    while (shift < 63 && Bins(shift).size() > most_bins) ++shift;
    return shift;
  }

 private:
  std::vector<Point> points_;
};

void CheckEqual(const SeriesBins& bins, const Model& model, size_t most_bins) {
  CHECK(bins.shift() == model.ShiftFor(most_bins));
  const auto expected = model.Bins(bins.shift());
  REQUIRE(bins.bins().size() == expected.size());
  auto bin = bins.bins().begin();
  for (const auto& [place, values] : expected) {
    CHECK(bin->place == place);
    REQUIRE(bin->count == values.size());
    if (values.empty()) {
      CHECK(std::isnan(bin->mean));
    } else {
      long double sum = 0;
      for (const double value : values) sum += value;
      CHECK(bin->least == *std::min_element(values.begin(), values.end()));
      CHECK(bin->most == *std::max_element(values.begin(), values.end()));
      CHECK(bin->mean == doctest::Approx(static_cast<double>(sum / values.size())));
    }
    ++bin;
  }
}

SeriesBins BinsOf(const std::vector<Point>& points, size_t most_bins) {
  SeriesBins bins;
  for (const Point& point : points) bins.Add(point.step, point.value, 0, most_bins);
  return bins;
}

}  // namespace

TEST_CASE("bins hold what a model that keeps every point says, whatever the steps and values") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 60; ++round) {
    const size_t most_bins = 2 + random() % 40;
    const int64_t range = int64_t{1} << (1 + random() % 40);
    const bool in_order = random() % 2 == 0;
    SeriesBins bins;
    Model model;
    int64_t step = -range / 2;
    for (int i = 0; i < 300; ++i) {
      step = in_order ? step + static_cast<int64_t>(random() % 9)
                      : static_cast<int64_t>(random() % static_cast<uint64_t>(range)) - range / 2;
      const double value = random() % 20 == 0 ? kNan : std::normal_distribution<>(5, 3)(random);
      bins.Add(step, value, 0, most_bins);
      model.Add(step, value);
      REQUIRE(bins.bins().size() <= most_bins);
    }
    CheckEqual(bins, model, most_bins);
  }
}

TEST_CASE("a spike among millions of values stays, with its height and its place") {
  SeriesBins bins;
  for (int64_t step = 0; step < 2'000'000; ++step)
    bins.Add(step, step == 1'234'567 ? 1e6 : 1.0, 0, 1000);
  int spikes = 0;
  for (const SeriesBin& bin : bins.bins()) {
    if (bin.most < 1e6) continue;
    ++spikes;
    CHECK(bin.place == 1'234'567 >> bins.shift());
    CHECK(bin.least == 1);
  }
  CHECK(spikes == 1);
  CHECK(bins.bins().size() > 400);
}

TEST_CASE("each value stands for itself while there is room, however far apart the steps are") {
  std::vector<Point> points;
  for (int64_t i = 0; i < 100; ++i) points.push_back({i * 1'000'000'007, static_cast<double>(i)});
  const SeriesBins bins = BinsOf(points, 100);
  CHECK(bins.shift() == 0);
  for (size_t i = 0; i < points.size(); ++i) CHECK(bins.bins()[i].place == points[i].step);
}

TEST_CASE("the first and the last step that there can be have their bins") {
  const int64_t first = std::numeric_limits<int64_t>::min();
  const int64_t last = std::numeric_limits<int64_t>::max();
  const SeriesBins bins = BinsOf({{last, 1}, {first, 2}, {0, 3}, {-1, 4}}, 2);
  REQUIRE(bins.bins().size() == 2);
  CHECK(bins.bins()[0].most == 4);
  CHECK(bins.bins()[1].most == 3);
  CHECK(BinsOf({{last, 1}, {first, 2}, {0, 3}}, 0).bins().size() == 2);
}

TEST_CASE("values that are not finite are counted and leave a gap") {
  const SeriesBins bins = BinsOf({{0, 1}, {1, kNan}, {2, kInfinity}, {3, -kInfinity}, {3, 5}}, 10);
  CHECK(bins.not_a_number() == 1);
  CHECK(bins.infinite() == 2);
  CHECK(bins.first_not_finite() == 1);
  REQUIRE(bins.bins().size() == 4);
  CHECK(bins.bins()[1].count == 0);
  CHECK(std::isnan(bins.bins()[1].least));
  CHECK(bins.bins()[3].mean == 5);
  CHECK(bins.last() == 5);
}

TEST_CASE("a gap that falls together with values is none") {
  SeriesBins bins = BinsOf({{0, kNan}, {1, 3}, {2, 4}, {3, kNan}}, 10);
  bins.Fit(2);
  REQUIRE(bins.bins().size() == 2);
  CHECK(bins.bins()[0].mean == 3);
  CHECK(bins.bins()[1].mean == 4);
}

TEST_CASE("the largest values have a mean between them") {
  const double most = std::numeric_limits<double>::max();
  SeriesBins bins =
      BinsOf({{0, most}, {0, most}, {0, -most}, {1, most}, {2, most}, {3, -most}}, 10);
  bins.Fit(2);
  for (const SeriesBin& bin : bins.bins()) {
    CHECK(std::isfinite(bin.mean));
    CHECK(bin.mean <= most);
    CHECK(bin.mean >= -most);
  }
}

TEST_CASE("a bin has the time of its first value, where steps grow") {
  SeriesBins bins;
  for (int i = 0; i < 8; ++i) bins.Add(i, 0, static_cast<float>(10 + i), 2);
  REQUIRE(bins.bins().size() == 2);
  CHECK(bins.bins()[0].time == 10);
  CHECK(bins.bins()[1].time == 14);
}
