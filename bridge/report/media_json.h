// What a report shows besides numbers, as JSON: images, texts, files, consoles. Used by
// report_json.cc. Pure; any thread.
#pragma once

#include <string>

#include "bridge/report/page_json.h"
#include "bridge/report/report_data.h"

namespace flarebridge {

// Adds members to an object that is written to `out`.
void AppendMedia(const ReportData& data, PageObject& object, std::string& out);

}  // namespace flarebridge
