#include "bridge/report/page_text.h"

#include <utf8.h>

#include <bit>
#include <cmath>
#include <iterator>

#include "events/value.h"
#include "receivers/json.h"

namespace flarebridge {
namespace {

static_assert(std::endian::native == std::endian::little);

}  // namespace

std::string Shortened(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  while (most > 0 && (text[most] & 0xC0) == 0x80) --most;  // within a character of UTF-8
  return std::string(text.substr(0, most)) + "…";
}

bool IsText(std::string_view bytes) {
  return bytes.find('\0') == std::string_view::npos && utf8::is_valid(bytes.begin(), bytes.end());
}

void AppendPageText(std::string_view text, std::string& out) {
  std::string valid;
  utf8::replace_invalid(text.begin(), text.end(), std::back_inserter(valid));
  // Only "</script" and "<!--" have a meaning within a script element (HTML, 13.2.5.15 and on).
  for (const char c : ToJson(std::string_view(valid))) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out.push_back(c);
    }
  }
}

void AppendPageNumber(double number, std::string& out) {
  if (std::isfinite(number)) {
    AppendJson(number, out);
  } else {
    out += '"' + ToJson(number) + '"';
  }
}

void AppendPageArray(std::span<const double> numbers, std::string& out) {
  AppendPageBytes({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}, out);
}

void AppendPageArray(std::span<const float> numbers, std::string& out) {
  AppendPageBytes({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}, out);
}

void AppendPageBytes(std::string_view bytes, std::string& out) {
  ValueNode node;
  node.kind = ValueKind::kBinary;
  node.text = bytes;
  AppendStrictJson(Value(&node), out);
}

}  // namespace flarebridge
