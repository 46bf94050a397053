// Cutting UTF-8 text to a limit without leaving half a character behind: protobuf readers refuse a
// whole record for one text that is not UTF-8, and W&B's upload of the run ends there. What is not
// valid UTF-8 ends before its first bad byte. Pure; any thread.
#pragma once

#include <utf8.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace flarebridge::wandb {

// The text's beginning of at most so many bytes, in whole characters.
inline std::string_view FirstBytes(std::string_view text, size_t most) {
  text = text.substr(0, most);
  const auto* const end = utf8::find_invalid(text.begin(), text.end());
  return text.substr(0, static_cast<size_t>(end - text.begin()));
}

// The text's beginning of at most so many characters (code points).
inline std::string_view FirstCharacters(std::string_view text, size_t most) {
  constexpr size_t kLongest = 4;  // bytes of a character
  if (text.size() / kLongest > most) text = text.substr(0, most * kLongest);
  const auto* const end = utf8::find_invalid(text.begin(), text.end());
  const auto* at = text.begin();
  for (; most > 0 && at != end; --most) utf8::unchecked::next(at);
  return text.substr(0, static_cast<size_t>(at - text.begin()));
}

}  // namespace flarebridge::wandb
