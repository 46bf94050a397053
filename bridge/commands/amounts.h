// Numbers as people read them. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace flarebridge {

// "2,000".
std::string Grouped(uint64_t number);
// "1 row", "2,000 rows".
std::string Counted(uint64_t number, const std::string& what);
// Five significant digits: "0.12346", "3", "1.2e-07"; "NaN", "-Infinity".
std::string Rounded(double number);
// "512 B", "12 kB", "3.4 MB", "1.2 GB" (of 1,000).
std::string BytesInWords(double bytes);
// "9 s", "3 min", "2 h".
std::string SecondsInWords(double seconds);

}  // namespace flarebridge
