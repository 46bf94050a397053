#include "bridge/plot/scale.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace flarebridge;

namespace {

using Numbers = std::vector<double>;
using Texts = std::vector<std::string>;

constexpr double kMost = std::numeric_limits<double>::max();

}  // namespace

TEST_CASE("the ends of a span are the ends of its scale, and what is outside is at the edge") {
  const Scale scale({-1, 3}, 9, false);
  CHECK(scale.Place(-1) == 0);
  CHECK(scale.Place(1) == 4);
  CHECK(scale.Place(3) == 8);
  CHECK(scale.Place(-7) == 0);
  CHECK(scale.Place(7) == 8);
  const Scale log({0.01, 100}, 5, true);
  CHECK(log.Place(0.01) == 0);
  CHECK(log.Place(1) == 2);
  CHECK(log.Place(100) == 4);
  const Scale whole({-kMost, kMost}, 3, false);
  CHECK(whole.Place(-kMost) == 0);
  CHECK(whole.Place(0) == 1);
  CHECK(whole.Place(kMost) == 2);
}

TEST_CASE("the only value of a span is in the middle and the only tick") {
  CHECK(Scale({5, 5}, 9, false).Place(5) == 4);
  CHECK(Scale({5, 5}, 9, true).Place(5) == 4);
  CHECK(Ticks({5, 5}, 4) == Numbers{5});
  CHECK(Ticks({0, 0}, 4) == Numbers{0});
}

TEST_CASE("ticks are round, as many as there is room for") {
  CHECK(LabelsOf(Ticks({0, 10}, 6)) == Texts{"0", "2", "4", "6", "8", "10"});
  CHECK(LabelsOf(Ticks({0.013, 3.3}, 5)) == Texts{"1", "2", "3"});
  CHECK(LabelsOf(Ticks({-0.31, 0.32}, 4)) == Texts{"-0.2", "0", "0.2"});
  CHECK(LabelsOf(Ticks({1e-7, 9e-7}, 5)) == Texts{"2e-07", "4e-07", "6e-07", "8e-07"});
  // None is within: its ends.
  CHECK(LabelsOf(Ticks({1.234567, 1.234568}, 2)) == Texts{"1.234567", "1.234568"});
}

TEST_CASE("steps have no tick between two of them") {
  CHECK(StepLabelsOf(Ticks({0, 2}, 8, 1)) == Texts{"0", "1", "2"});
  CHECK(StepLabelsOf(Ticks({0, 0.5}, 8, 1)) == Texts{"0", "0.5"});
  CHECK(StepLabelsOf({0, 1500000, 9999999999}) == Texts{"0", "1500000", "9999999999"});
  CHECK(StepLabelsOf({0, 1e18}) == Texts{"0", "1e+18"});
}

TEST_CASE("a logarithmic axis names powers of ten, and round values where it has none") {
  CHECK(LabelsOf(LogTicks({0.005, 200}, 6)) == Texts{"0.01", "0.1", "1", "10", "100"});
  CHECK(LabelsOf(LogTicks({1e-300, 1e300}, 4)) == Texts{"1e-200", "1", "1e+200"});
  CHECK(LabelsOf(LogTicks({2, 9}, 4)) == Texts{"2", "4", "6", "8"});
}

TEST_CASE("labels have five digits, and more where those of two are the same") {
  CHECK(LabelsOf({0.123456789}) == Texts{"0.12346"});
  CHECK(LabelsOf({1, 1.0000001}) == Texts{"1", "1.0000001"});
}

TEST_CASE("of any span there are ticks within it that grow, at most so many") {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> digits(-10, 10);
  std::uniform_int_distribution<int> power(-320, 307);
  for (int i = 0; i < 20000; ++i) {
    const double a = digits(random) * std::pow(10, power(random));
    const double b = i % 2 == 0 ? digits(random) * std::pow(10, power(random))
                                : std::nextafter(a, i % 4 == 1 ? kMost : -kMost);
    const Span span{std::min(a, b), std::max(a, b)};
    const auto most = static_cast<size_t>(2 + i % 9);
    for (const bool log : {false, true}) {
      if (log && span.lowest <= 0) continue;
      const Numbers ticks = log ? LogTicks(span, most) : Ticks(span, most);
      REQUIRE(!ticks.empty());
      REQUIRE(ticks.size() <= most);
      REQUIRE(std::is_sorted(ticks.begin(), ticks.end()));
      REQUIRE((span.lowest == span.highest || ticks.size() >= 2));
      const Scale scale(span, 10, log);
      for (const double tick : ticks) {
        const int64_t place = scale.Place(tick);
        REQUIRE((place >= 0 && place < 10));
      }
    }
  }
}
