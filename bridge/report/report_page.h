// The one HTML file of a report: page/report.html with its styles, its scripts and the data in it.
// Its policy lets a browser run and load nothing but what it holds itself. Used by the command
// `report`. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace flarebridge {

// `json`: as report_json.h makes it, without '<'. `nonce`: letters and digits that nobody can know
// beforehand; scripts and styles that do not have it do nothing.
std::string ReportPage(std::string_view json, std::string_view nonce);

}  // namespace flarebridge
