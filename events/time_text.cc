#include "events/time_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "events/to_integer.h"

namespace flarebridge {
namespace {

// The years of four digits, as RFC 3339 has them: a calendar may have no room for others. A day
// less at both ends, for the time zone.
std::time_t Possible(int64_t seconds) {
  constexpr int64_t kFirst = -30610224000 + 86400, kLast = 253402300799 - 86400;
  return std::clamp(seconds, kFirst, kLast);
}

std::string Format(const char* format, const std::tm& parts) {
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

std::tm LocalParts(int64_t seconds) {
  const std::time_t whole = Possible(seconds);
  std::tm parts{};
  localtime_r(&whole, &parts);
  return parts;
}

}  // namespace

std::string UtcTimeText(int64_t seconds, int64_t microseconds) {
  const std::time_t whole = Possible(seconds);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06d",
                static_cast<int>(std::clamp<int64_t>(microseconds, 0, 999999)));
  return Format("%Y-%m-%dT%H:%M:%S", parts) + fraction.data();
}

std::string UtcTimeText(double seconds) {
  const double whole = std::floor(seconds);
  return UtcTimeText(ToInteger<int64_t>(whole), ToInteger<int64_t>((seconds - whole) * 1e6));
}

std::string LocalTimeName(int64_t seconds) { return Format("%Y%m%d_%H%M%S", LocalParts(seconds)); }

std::string LocalTimeText(int64_t seconds) { return Format("%Y-%m-%d %H:%M", LocalParts(seconds)); }

}  // namespace flarebridge
