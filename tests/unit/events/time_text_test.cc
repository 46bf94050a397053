#include "events/time_text.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

namespace flarebridge {
namespace {

TEST_CASE("a time is told in UTC to the microsecond, what is behind that is cut") {
  CHECK(UtcTimeText(1787306400, 123456) == "2026-08-21T10:00:00.123456");
  CHECK(UtcTimeText(1787306400.25) == "2026-08-21T10:00:00.250000");
  CHECK(UtcTimeText(0, 0) == "1970-01-01T00:00:00.000000");
  CHECK(UtcTimeText(-0.5) == "1969-12-31T23:59:59.500000");
}

TEST_CASE("a time that can't be has the same form") {
  CHECK(UtcTimeText(0, -1).ends_with(".000000"));
  CHECK(UtcTimeText(0, 1000000).ends_with(".999999"));
  const std::string last = UtcTimeText(std::numeric_limits<int64_t>::max(), 0);
  CHECK(last == "9999-12-30T23:59:59.000000");
  CHECK(UtcTimeText(std::numeric_limits<int64_t>::min(), 0) == "1000-01-02T00:00:00.000000");
  for (const double beyond : {1e300, 1e19, std::numeric_limits<double>::infinity()}) {
    CHECK(UtcTimeText(beyond).starts_with("9999-12-30T23:59:59."));
    CHECK(UtcTimeText(-beyond).starts_with("1000-01-02T00:00:00."));
  }
  CHECK(UtcTimeText(std::nan("")) == "1970-01-01T00:00:00.000000");
  CHECK(LocalTimeName(std::numeric_limits<int64_t>::max()).size() == 15);
}

TEST_CASE("a name of a time sorts as the time does") {
  CHECK(LocalTimeName(1787306400).size() == 15);
  CHECK(LocalTimeName(1787306400) < LocalTimeName(1787306401));
  CHECK(LocalTimeText(1787306400).size() == 16);
  CHECK(LocalTimeText(1787306400) < LocalTimeText(1787306460));
}

}  // namespace
}  // namespace flarebridge
