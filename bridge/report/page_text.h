// Text and numbers of anybody's as JSON that may stand within a page's script element: whatever
// they hold, the element does not end and no other begins. Used by report_json.h. Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace flarebridge {

// The text in `most` bytes about: what is longer is cut between characters, and ends in "…".
std::string Shortened(std::string_view text, size_t most);

// Whether bytes are a text that people can read: UTF-8 without zeros.
bool IsText(std::string_view bytes);

// Appends the text as a JSON string without '<'; bytes that are no UTF-8 become U+FFFD.
void AppendPageText(std::string_view text, std::string& out);

// Appends a number; NaN and infinite ones as texts, "NaN", "Infinity" and "-Infinity".
void AppendPageNumber(double number, std::string& out);

// Appends the bytes of the numbers, little-endian, as a JSON string of base64: half as long as
// their digits, and read at once.
void AppendPageArray(std::span<const double> numbers, std::string& out);
void AppendPageArray(std::span<const float> numbers, std::string& out);

// Appends the bytes as they are as a JSON string of base64.
void AppendPageBytes(std::string_view bytes, std::string& out);

}  // namespace flarebridge
