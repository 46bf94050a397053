// What a row's JSON says, as far as a report shows it: numbers and texts. The JSON may be
// anybody's: what is none is no value. Used by ReportData and by `show`. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge {

enum class CellKind : uint8_t { kNumber, kText, kOther, kNothing };

// By its first byte: NaN, Infinity and -Infinity, also as texts, and true and false are numbers,
// null and what is no JSON are nothing, objects and lists are other.
CellKind KindOf(std::string_view json);

// Nothing: it is no number. One that is too large is infinite; true is 1, false 0.
std::optional<double> NumberIn(std::string_view json);

// The same as a whole number, its fraction cut; nothing: no number, or NaN.
std::optional<int64_t> StepIn(std::string_view json);

// A JSON text, of `most` bytes about: what is longer ends in "…". It is still JSON, if it was.
std::string ShortenedText(std::string_view json, size_t most);

}  // namespace flarebridge
