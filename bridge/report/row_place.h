// Where a row stands: at which step, and when. Used by reports and by charts. Pure; any thread.
#pragma once

#include <cstdint>
#include <limits>

#include "receivers/run_reader.h"

namespace flarebridge {

struct RowPlace {
  int64_t step = 0;
  // Seconds since the epoch, NaN where the row does not say; seconds since the run's start.
  double time = std::numeric_limits<double>::quiet_NaN();
  double runtime = 0;

  // By the row's own words, when the run began: NaN where it does not say.
  double Start() const;
};

// A row that names no step is one behind the row before, whose step this is (-1: there is none).
RowPlace PlaceOf(const Row& row, int64_t step_before);

}  // namespace flarebridge
