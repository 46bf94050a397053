// Cutting UTF-8 text to a limit without leaving half a character behind: protobuf readers refuse a
// whole record for one text that is not UTF-8, and W&B's upload of the run ends there. Texts must
// be valid UTF-8. Pure; any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace flarebridge::wandb {

inline bool BeginsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// The text's beginning of at most so many bytes, in whole characters.
inline std::string_view FirstBytes(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && !BeginsCharacter(text[most])) --most;
  return text.substr(0, most);
}

// The text's beginning of at most so many characters (code points).
inline std::string_view FirstCharacters(std::string_view text, size_t most) {
  size_t seen = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (BeginsCharacter(text[at]) && seen++ == most) return text.substr(0, at);
  }
  return text;
}

}  // namespace flarebridge::wandb
