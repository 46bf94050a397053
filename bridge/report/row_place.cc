#include "bridge/report/row_place.h"

#include <cmath>

#include "bridge/report/cell_value.h"

namespace flarebridge {

double RowPlace::Start() const {
  if (!std::isfinite(time)) return std::numeric_limits<double>::quiet_NaN();
  return std::isfinite(runtime) ? time - runtime : time;
}

RowPlace PlaceOf(const Row& row, int64_t step_before) {
  RowPlace place;
  place.step = step_before + 1;
  for (const Cell& cell : row) {
    if (!cell.key.starts_with('_')) continue;
    if (cell.key == kRowStep) place.step = StepIn(cell.json).value_or(place.step);
    if (cell.key == kRowTime) place.time = NumberIn(cell.json).value_or(place.time);
    if (cell.key == kRowRuntime) place.runtime = NumberIn(cell.json).value_or(0);
  }
  return place;
}

}  // namespace flarebridge
