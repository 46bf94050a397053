#include "events/time_text.h"

#include <doctest/doctest.h>

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
  CHECK_FALSE(UtcTimeText(std::numeric_limits<int64_t>::max(), 0).empty());
}

TEST_CASE("a name of a time sorts as the time does") {
  CHECK(LocalTimeName(1787306400).size() == 15);
  CHECK(LocalTimeName(1787306400) < LocalTimeName(1787306401));
}

}  // namespace
}  // namespace flarebridge
