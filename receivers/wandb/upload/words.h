// Text as people write it in variables and files: blanks around it, capital letters where they do
// not count. Letters of ASCII only. Any thread.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

inline std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

inline std::string InSmall(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return small;
}

}  // namespace flarebridge::wandb
