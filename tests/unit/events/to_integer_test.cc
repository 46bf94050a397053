#include "events/to_integer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

namespace flarebridge {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

TEST_CASE("a number that has a place is cut to it") {
  CHECK(ToInteger<int64_t>(3.9) == 3);
  CHECK(ToInteger<int32_t>(-3.9) == -3);
  CHECK(ToInteger<int64_t>(9007199254740992.0) == 9007199254740992);
}

TEST_CASE("a number beyond the range becomes its end, and what is none becomes 0") {
  for (const double beyond : {9.3e18, 1e300, kInfinite}) {
    CHECK(ToInteger<int64_t>(beyond) == std::numeric_limits<int64_t>::max());
    CHECK(ToInteger<int64_t>(-beyond) == std::numeric_limits<int64_t>::min());
    CHECK(ToInteger<int32_t>(beyond) == std::numeric_limits<int32_t>::max());
    CHECK(ToInteger<uint64_t>(-beyond) == 0);
  }
  CHECK(ToInteger<int64_t>(9223372036854775808.0) == std::numeric_limits<int64_t>::max());
  CHECK(ToInteger<int64_t>(std::nan("")) == 0);
}

}  // namespace
}  // namespace flarebridge
