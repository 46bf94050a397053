#include "events/names.h"

#include <utf8.h>

#include <algorithm>

namespace flarebridge {

bool IsUtf8(std::string_view text) {
  // Metric names are ASCII nearly always; utf8cpp's checker costs several times this look, which
  // goes to the end so that it takes many bytes at once.
  unsigned char bits = 0;
  for (const char c : text) bits |= static_cast<unsigned char>(c);
  if (bits < 0x80) return true;
  return utf8::is_valid(text.begin(), text.end());
}

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kMaxNameBytes) return false;
  const bool control = std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  return !control && IsUtf8(text);
}

}  // namespace flarebridge
