// Protobuf's integers of variable length, where records are put together by hand because they are
// written for every row (https://protobuf.dev/programming-guides/encoding/). Any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>

namespace flarebridge::wandb {

inline size_t VarintBytes(uint64_t number) {
  return (static_cast<size_t>(std::bit_width(number | 1)) + 6) / 7;
}

inline void AppendVarint(uint64_t number, std::string& out) {
  while (number >= 0x80) {
    out.push_back(static_cast<char>(number | 0x80));
    number >>= 7;
  }
  out.push_back(static_cast<char>(number));
}

}  // namespace flarebridge::wandb
