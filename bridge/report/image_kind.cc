#include "bridge/report/image_kind.h"

namespace flarebridge {
namespace {

uint64_t ByteAt(std::string_view bytes, size_t at) { return static_cast<unsigned char>(bytes[at]); }

uint64_t BigEndian(std::string_view bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; ++i) number = number << 8 | ByteAt(bytes, at + i);
  return number;
}

uint64_t LittleEndian(std::string_view bytes, size_t at, size_t size) {
  uint64_t number = 0;
  for (size_t i = size; i-- > 0;) number = number << 8 | ByteAt(bytes, at + i);
  return number;
}

// PNG specification, 11.2.2 (IHDR is the first chunk) and 11.2.5 (IEND is the last).
std::optional<ImageKind> PngIn(std::string_view file) {
  constexpr std::string_view kBegin("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  constexpr std::string_view kEnd("IEND\xae\x42\x60\x82");
  if (file.size() < 24 || !file.starts_with(kBegin)) return {};
  return ImageKind{"png", BigEndian(file, 16, 4), BigEndian(file, 20, 4),
                   file.rfind(kEnd) != std::string_view::npos};
}

// ITU-T T.81, B.2.2: the measures stand in the frame header, SOF0 to SOF15; the segments before it
// tell their length. B.2.1: EOI is the end.
std::optional<ImageKind> JpegIn(std::string_view file) {
  if (!file.starts_with("\xff\xd8\xff")) return {};
  for (size_t at = 2; at + 9 <= file.size();) {
    const uint64_t marker = BigEndian(file, at, 2);
    if (marker < 0xff01 || marker == 0xffd9) return {};
    const bool is_frame = marker >= 0xffc0 && marker <= 0xffcf && marker != 0xffc4 &&
                          marker != 0xffc8 && marker != 0xffcc;
    if (is_frame) {
      return ImageKind{"jpeg", BigEndian(file, at + 7, 2), BigEndian(file, at + 5, 2),
                       file.rfind("\xff\xd9") > at && file.rfind("\xff\xd9") != file.npos};
    }
    at += 2 + BigEndian(file, at + 2, 2);
  }
  return {};
}

// GIF89a, 18 (logical screen) and 27 (trailer).
std::optional<ImageKind> GifIn(std::string_view file) {
  if (file.size() < 13 || !(file.starts_with("GIF87a") || file.starts_with("GIF89a"))) return {};
  return ImageKind{"gif", LittleEndian(file, 6, 2), LittleEndian(file, 8, 2), file.back() == ';'};
}

// RFC 9649: 2.4 (RIFF), 2.5 (VP8, with the frame header of RFC 6386, 9.1), 2.6 (VP8L, 3.4 there),
// 2.7 (VP8X).
std::optional<ImageKind> WebpIn(std::string_view file) {
  if (file.size() < 30 || !file.starts_with("RIFF") || file.substr(8, 4) != "WEBP") return {};
  ImageKind kind{"webp", 0, 0, LittleEndian(file, 4, 4) + 8 <= file.size()};
  const std::string_view chunk = file.substr(12, 4);
  if (chunk == "VP8 ") {
    kind.width = LittleEndian(file, 26, 2) & 0x3fff;
    kind.height = LittleEndian(file, 28, 2) & 0x3fff;
  } else if (chunk == "VP8L") {
    const uint64_t bits = LittleEndian(file, 21, 4);
    kind.width = (bits & 0x3fff) + 1;
    kind.height = (bits >> 14 & 0x3fff) + 1;
  } else if (chunk == "VP8X") {
    kind.width = LittleEndian(file, 24, 3) + 1;
    kind.height = LittleEndian(file, 27, 3) + 1;
  } else {
    return {};
  }
  return kind;
}

}  // namespace

std::optional<ImageKind> ImageKindOf(std::string_view file) {
  for (const auto read : {PngIn, JpegIn, GifIn, WebpIn}) {
    const std::optional<ImageKind> kind = read(file);
    if (kind) return kind;
  }
  return {};
}

}  // namespace flarebridge
