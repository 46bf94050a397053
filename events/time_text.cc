#include "events/time_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace flarebridge {
namespace {

std::string Format(const char* format, const std::tm& parts) {
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
}

}  // namespace

std::string UtcTimeText(int64_t seconds, int64_t microseconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06d",
                static_cast<int>(std::clamp<int64_t>(microseconds, 0, 999999)));
  return Format("%Y-%m-%dT%H:%M:%S", parts) + fraction.data();
}

std::string UtcTimeText(double seconds) {
  const double whole = std::floor(seconds);
  return UtcTimeText(static_cast<int64_t>(whole), static_cast<int64_t>((seconds - whole) * 1e6));
}

std::string LocalTimeName(int64_t seconds) {
  const auto whole = static_cast<std::time_t>(seconds);
  std::tm parts{};
  localtime_r(&whole, &parts);
  return Format("%Y%m%d_%H%M%S", parts);
}

}  // namespace flarebridge
