#include "bridge/report/row_place.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace flarebridge;

TEST_CASE("a row is at its step, or one behind the row before") {
  CHECK(PlaceOf({{"_step", "7"}}, 3).step == 7);
  CHECK(PlaceOf({{"loss", "7"}}, 3).step == 4);
  CHECK(PlaceOf({{"_step", "null"}}, -1).step == 0);
}

TEST_CASE("a run began its runtime before a row's time") {
  CHECK(PlaceOf({{"_timestamp", "100"}, {"_runtime", "30"}}, 0).Start() == 70);
  CHECK(PlaceOf({{"_timestamp", "100"}}, 0).Start() == 100);
  CHECK(PlaceOf({{"_timestamp", "100"}, {"_runtime", "NaN"}}, 0).Start() == 100);
  CHECK(std::isnan(PlaceOf({{"_runtime", "30"}}, 0).Start()));
}
