#include "receivers/jsonl/pixels_png.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>

namespace flarebridge::jsonl {
namespace {

constexpr uint64_t kMostSide = 65'500;  // as for W&B's images

void AppendBigEndian(uint32_t number, std::string& out) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
}

// PNG specification, 5.3: length, type, data, and the CRC of type and data.
void AppendChunk(std::string_view type, std::string_view data, std::string& out) {
  AppendBigEndian(static_cast<uint32_t>(data.size()), out);
  const size_t begin = out.size();
  out.append(type).append(data);
  AppendBigEndian(libdeflate_crc32(0, out.data() + begin, out.size() - begin), out);
}

// RFC 1950, and blocks that are stored (RFC 1951, 3.2.4).
std::string Zlib(std::string_view bytes) {
  std::string out = "\x78\x01";
  const uint32_t sum = libdeflate_adler32(1, bytes.data(), bytes.size());
  do {
    const std::string_view block = bytes.substr(0, 0xffff);
    bytes.remove_prefix(block.size());
    const size_t size = block.size();
    out.push_back(bytes.empty() ? '\1' : '\0');
    for (const size_t number : {size, ~size}) {
      out.push_back(static_cast<char>(number));
      out.push_back(static_cast<char>(number >> 8));
    }
    out.append(block);
  } while (!bytes.empty());
  AppendBigEndian(sum, out);
  return out;
}

}  // namespace

std::optional<std::string> PngOfPixels(uint64_t width, uint64_t height, uint64_t channels,
                                       std::string_view bytes) {
  const bool has_pixels = width > 0 && height > 0 && channels > 0;
  if (!has_pixels || std::max(width, height) > kMostSide || channels > 4 ||
      bytes.size() != width * height * channels)
    return {};
  // 11.2.2: colour types of so many channels; 9.2: each row begins with its filter, 0 is none.
  constexpr std::array<char, 5> kColors = {0, 0, 4, 2, 6};
  std::string rows;
  rows.reserve(bytes.size() + height);
  for (; !bytes.empty(); bytes.remove_prefix(width * channels))
    rows.append(1, '\0').append(bytes.substr(0, width * channels));
  std::string head;
  AppendBigEndian(static_cast<uint32_t>(width), head);
  AppendBigEndian(static_cast<uint32_t>(height), head);
  head.append({8, kColors.at(channels), 0, 0, 0});
  std::string file = "\x89PNG\r\n\x1a\n";
  AppendChunk("IHDR", head, file);
  AppendChunk("IDAT", Zlib(rows), file);
  AppendChunk("IEND", "", file);
  return file;
}

}  // namespace flarebridge::jsonl
