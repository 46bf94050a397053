#include "events/value_size.h"

#include <array>
#include <cstdint>

namespace flarebridge {
namespace {

// What stands behind a first byte: a big-endian number of `width` bytes, then `fixed` bytes and,
// per unit of the number, `bytes` bytes and `values` values. For a fixed form the number is in the
// first byte itself.
struct Shape {
  uint8_t width = 0;
  uint8_t fixed = 0;
  uint8_t bytes = 0;
  uint8_t values = 0;
};

// Of the first bytes 0xc0 to 0xdf, in their order in the format's table.
constexpr std::array<Shape, 32> kShapes = {{
    {},
    {},
    {},
    {},  // nil, (never used), false, true
    {1, 0, 1, 0},
    {2, 0, 1, 0},
    {4, 0, 1, 0},  // bin 8, 16, 32
    {1, 1, 1, 0},
    {2, 1, 1, 0},
    {4, 1, 1, 0},  // ext 8, 16, 32: a type, then bytes
    {0, 4, 0, 0},
    {0, 8, 0, 0},  // float 32, 64
    {0, 1, 0, 0},
    {0, 2, 0, 0},
    {0, 4, 0, 0},
    {0, 8, 0, 0},  // uint 8 to 64
    {0, 1, 0, 0},
    {0, 2, 0, 0},
    {0, 4, 0, 0},
    {0, 8, 0, 0},  // int 8 to 64
    {0, 2, 0, 0},
    {0, 3, 0, 0},
    {0, 5, 0, 0},
    {0, 9, 0, 0},   // fixext 1, 2, 4, 8
    {0, 17, 0, 0},  // fixext 16
    {1, 0, 1, 0},
    {2, 0, 1, 0},
    {4, 0, 1, 0},  // str 8, 16, 32
    {2, 0, 0, 1},
    {4, 0, 0, 1},  // array 16, 32
    {2, 0, 0, 2},
    {4, 0, 0, 2},  // map 16, 32
}};
constexpr unsigned char kNeverUsed = 0xc1;

// The bytes and the values behind the one that begins with `first`.
struct Behind {
  uint64_t bytes = 0;
  uint64_t values = 0;
};

Behind BehindFixed(unsigned char first) {
  if (first < 0x80 || first >= 0xe0) return {};               // a small integer
  if (first < 0x90) return {0, uint64_t{first & 0x0fU} * 2};  // fixmap
  if (first < 0xa0) return {0, uint64_t{first & 0x0fU}};      // fixarray
  return {uint64_t{first & 0x1fU}, 0};                        // fixstr
}

}  // namespace

size_t SizeOfValue(std::string_view bytes) {
  size_t at = 0;
  // Values that are still to come. It can't wrap: each one that is claimed needs a byte that is
  // there, or the loop ends; one step adds 2^33 at most.
  uint64_t pending = 1;
  while (pending > 0) {
    if (at >= bytes.size()) return 0;
    const auto first = static_cast<unsigned char>(bytes[at++]);
    if (first == kNeverUsed) return 0;
    Behind behind;
    if (first < 0xc0 || first >= 0xe0) {
      behind = BehindFixed(first);
    } else {
      const Shape& shape = kShapes[first - 0xc0];
      if (bytes.size() - at < shape.width) return 0;
      uint64_t number = 0;
      for (uint8_t i = 0; i < shape.width; ++i)
        number = number << 8 | static_cast<unsigned char>(bytes[at++]);
      behind = {shape.fixed + number * shape.bytes, number * shape.values};
    }
    if (bytes.size() - at < behind.bytes) return 0;
    at += behind.bytes;
    pending += behind.values - 1;
  }
  return at;
}

}  // namespace flarebridge
