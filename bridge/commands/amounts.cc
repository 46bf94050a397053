#include "bridge/commands/amounts.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace flarebridge {

std::string Grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  constexpr size_t kGroup = 3;
  for (size_t at = digits.size(); at > kGroup; at -= kGroup) digits.insert(at - kGroup, ",");
  return digits;
}

std::string Counted(uint64_t number, const std::string& what) {
  return Grouped(number) + " " + what + (number == 1 ? "" : "s");
}

std::string Rounded(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  std::array<char, 32> text{};
  (void)snprintf(text.data(), text.size(), "%.5g", number);
  return text.data();
}

std::string BytesInWords(double bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  constexpr double kStep = 1000;
  size_t unit = 0;
  for (; bytes >= kStep && unit + 1 < kUnits.size(); ++unit) bytes /= kStep;
  std::array<char, 32> text{};
  const int digits = unit > 1 && bytes < 10 ? 1 : 0;
  (void)snprintf(text.data(), text.size(), "%.*f %s", digits, bytes, kUnits.at(unit));
  return text.data();
}

std::string SecondsInWords(double seconds) {
  constexpr double kMinute = 60, kHour = 3600, kDay = 86400;
  const auto whole = [](double number) {
    return std::to_string(static_cast<int64_t>(std::llround(number)));
  };
  if (seconds < 2 * kMinute) return whole(seconds) + " s";
  if (seconds < 2 * kHour) return whole(seconds / kMinute) + " min";
  if (seconds < 2 * kDay) return whole(seconds / kHour) + " h";
  return whole(seconds / kDay) + " days";
}

}  // namespace flarebridge
