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

void AppendBytes(std::string_view bytes, std::string& out) {
  ValueNode node;
  node.kind = ValueKind::kBinary;
  node.text = bytes;
  AppendStrictJson(Value(&node), out);
}

}  // namespace

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
  AppendBytes({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}, out);
}

void AppendPageArray(std::span<const float> numbers, std::string& out) {
  AppendBytes({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()}, out);
}

}  // namespace flarebridge
