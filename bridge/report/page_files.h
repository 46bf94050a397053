// The files of page/, as they were when the program was built: CMake makes them a part of it
// (embed.cmake). Used by report_page.h. Any thread.
#pragma once

#include <string_view>

namespace flarebridge {

// A file by its path below page/, as "report.css"; empty: there is none.
std::string_view PageFile(std::string_view path);

}  // namespace flarebridge
