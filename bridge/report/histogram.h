// A logged histogram as three numbers, so that those of many steps are a curve with a band. Used by
// ReportData. Pure; any thread.
#pragma once

#include <optional>

#include "bridge/report/media_cells.h"

namespace flarebridge {

// Of what was counted: 5 %, a half and 95 % are below, with the values of a bin evenly in it.
struct HistogramRange {
  double low = 0, median = 0, high = 0;
};

// Nothing: it is no histogram of W&B's ("values": counts; "bins": their edges, one more), or an
// empty one.
std::optional<HistogramRange> HistogramRangeOf(const MediaValue& value);

}  // namespace flarebridge
