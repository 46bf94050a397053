// Text from outside, made fit for a terminal and a log. Any thread.
#pragma once

#include <string>

namespace flarebridge {

// Control characters and bytes beyond ASCII become '?': a terminal must not obey a server.
inline std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return text;
}

}  // namespace flarebridge
