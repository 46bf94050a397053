// Texts by their characters (code points of valid UTF-8, as Printable() gives them), which a
// terminal's columns are counted by. Used by tables and charts. Pure; any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace flarebridge {

// Not a byte that goes on with a character.
inline bool BeginsCharacter(char c) {
  constexpr unsigned kLead = 0xc0, kFollows = 0x80;
  return (static_cast<unsigned char>(c) & kLead) != kFollows;
}

inline size_t CharactersOf(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

// `most` characters at most, of which the last two are ".." where some are cut off.
inline std::string ShortenedTo(std::string_view text, size_t most) {
  if (CharactersOf(text) <= most) return std::string(text);
  const size_t kept = most > 2 ? most - 2 : 0;
  size_t end = 0, count = 0;
  for (; end < text.size(); ++end) {
    if (BeginsCharacter(text[end]) && count++ == kept) break;
  }
  return std::string(text.substr(0, end)) + std::string(std::min<size_t>(most, 2), '.');
}

}  // namespace flarebridge
