#include "events/printable.h"

#include <utf8.h>

#include <cstdint>
#include <iterator>

namespace flarebridge {
namespace {

bool IsSpace(uint32_t character) {
  // Line and paragraph separators of Unicode end lines, too.
  return character == '\t' || character == '\n' || character == '\r' || character == 0x2028 ||
         character == 0x2029;
}

bool IsObeyed(uint32_t character) {
  const bool control = character < 0x20 || (character >= 0x7f && character < 0xa0);
  // Embeddings, overrides, isolates and marks of direction: they show text in another order.
  const bool direction = (character >= 0x202a && character <= 0x202e) ||
                         (character >= 0x2066 && character <= 0x2069) || character == 0x200e ||
                         character == 0x200f || character == 0x061c;
  return control || direction;
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  utf8::replace_invalid(text.begin(), text.end(), std::back_inserter(valid), '?');
  std::string safe;
  safe.reserve(valid.size());
  for (auto at = valid.cbegin(); at != valid.cend();) {
    const auto begin = at;
    const uint32_t character = utf8::unchecked::next(at);
    if (IsSpace(character)) {
      safe.push_back(' ');
    } else if (IsObeyed(character)) {
      safe.push_back('?');
    } else {
      safe.append(begin, at);
    }
  }
  return safe;
}

}  // namespace flarebridge
