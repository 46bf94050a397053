#include "bridge/report/cell_value.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "events/to_integer.h"

namespace flarebridge {
namespace {

// Also where it stands as a text, as in files that know strict JSON only.
std::optional<double> NotFiniteIn(std::string_view json) {
  if (json.size() > 2 && json.front() == '"' && json.back() == '"')
    json = json.substr(1, json.size() - 2);
  if (json == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (json == "Infinity") return std::numeric_limits<double>::infinity();
  if (json == "-Infinity") return -std::numeric_limits<double>::infinity();
  return {};
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

CellKind KindOf(std::string_view json) {
  if (json.empty()) return CellKind::kNothing;
  switch (json.front()) {
    case '"':
      return NotFiniteIn(json) ? CellKind::kNumber : CellKind::kText;
    case '{':
    case '[':
      return CellKind::kOther;
    case 'N':
    case 'I':
    case 't':
    case 'f':
    case '-':
      return CellKind::kNumber;
    default:
      return IsDigit(json.front()) ? CellKind::kNumber : CellKind::kNothing;
  }
}

std::optional<double> NumberIn(std::string_view json) {
  if (json.empty()) return {};
  // Not from_chars for words: it takes more of them than JSON has.
  if (!IsDigit(json.back()) && json.back() != '.') {
    if (json == "true") return 1;
    if (json == "false") return 0;
    return NotFiniteIn(json);
  }
  double number = 0;
  const auto [end, failed] = std::from_chars(json.data(), json.data() + json.size(), number);
  if (end != json.data() + json.size()) return {};
  // Too large or too small for a double: strtod tells which.
  if (failed == std::errc::result_out_of_range)
    return std::strtod(std::string(json).c_str(), nullptr);
  if (failed != std::errc()) return {};
  return number;
}

std::optional<int64_t> StepIn(std::string_view json) {
  int64_t whole = 0;
  const auto [end, failed] = std::from_chars(json.data(), json.data() + json.size(), whole);
  if (failed == std::errc() && end == json.data() + json.size()) return whole;
  const std::optional<double> number = NumberIn(json);
  if (!number || std::isnan(*number)) return {};
  return ToInteger<int64_t>(*number);
}

std::string ShortenedText(std::string_view json, size_t most) {
  if (json.size() <= most) return std::string(json);
  size_t end = 1;  // behind the quote
  while (end < most) {
    const bool escaped = json[end] == '\\' && end + 1 < json.size();
    const size_t escape = escaped && json[end + 1] == 'u' ? 6 : 2;
    end += escaped ? escape : 1;
  }
  while (end < json.size() && (json[end] & 0xC0) == 0x80) ++end;  // within a character of UTF-8
  return std::string(json.substr(0, end)) + "…\"";
}

}  // namespace flarebridge
