// A report's data as the JSON that its page reads (page/data.js). Used by the command `report`.
// Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "bridge/report/report_data.h"

namespace flarebridge {

// What a report says of itself.
struct ReportOrigin {
  std::string program;               // and its version
  double made = 0;                   // seconds since the epoch
  std::vector<std::string> folders;  // as they were named
};

// One object, fit to stand in a script element (page_text.h).
std::string ReportJson(const ReportData& data, const ReportOrigin& origin);

// The same in so many bytes, where wider bins alone can do that.
std::string FittedReportJson(ReportData& data, const ReportOrigin& origin, size_t most_bytes);

}  // namespace flarebridge
