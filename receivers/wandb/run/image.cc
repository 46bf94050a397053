#include "receivers/wandb/run/image.h"

#include <utility>

#include "receivers/files/stable_hash.h"
#include "receivers/pixels_png.h"

namespace flarebridge::wandb {
namespace {

uint32_t BigEndian(std::string_view bytes, size_t at, size_t size) {
  uint32_t number = 0;
  for (size_t i = 0; i < size; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

// The measures stand in the first chunk (PNG specification, 11.2.2 IHDR).
std::optional<Image> ReadPng(std::string_view file) {
  constexpr std::string_view kSignature("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
  if (file.size() < 33 || !file.starts_with(kSignature)) return std::nullopt;
  return Image{std::string(file), "png", BigEndian(file, 16, 4), BigEndian(file, 20, 4)};
}

// The measures stand in the frame header, SOF0 to SOF15 (ITU-T T.81, B.2.2); the segments before it
// tell their length.
std::optional<Image> ReadJpeg(std::string_view file) {
  if (!file.starts_with("\xff\xd8\xff")) return std::nullopt;
  for (size_t at = 2; at + 9 <= file.size();) {
    const uint32_t marker = BigEndian(file, at, 2);
    if (marker < 0xff01 || marker == 0xffd9) return std::nullopt;
    const bool frame = marker >= 0xffc0 && marker <= 0xffcf && marker != 0xffc4 &&
                       marker != 0xffc8 && marker != 0xffcc;
    if (frame) {
      return Image{std::string(file), "jpeg", BigEndian(file, at + 7, 2),
                   BigEndian(file, at + 5, 2)};
    }
    at += 2 + BigEndian(file, at + 2, 2);
  }
  return std::nullopt;
}

// `channels`: of each pixel.
std::optional<Image> EncodePng(const Value& value, uint64_t channels) {
  const auto number = [&value](std::string_view key) {
    return value.Find(key).value_or(Value()).AsUint64().value_or(0);
  };
  const uint64_t width = number("width");
  const uint64_t height = number("height");
  const Value data = value.Find("data").value_or(Value());
  if (data.kind() != ValueKind::kBinary) return std::nullopt;
  std::optional<std::string> file = PngOfPixels(width, height, channels, data.node().text);
  if (!file) return std::nullopt;
  return Image{std::move(*file), "png", static_cast<uint32_t>(width),
               static_cast<uint32_t>(height)};
}

}  // namespace

std::optional<Image> ReadImage(const Value& value) {
  std::optional<Image> image;
  if (value.kind() == ValueKind::kMap) {
    image = EncodePng(value, value.Find("channels").value_or(Value()).AsUint64().value_or(0));
  } else if (value.kind() == ValueKind::kBinary) {
    image = ReadPng(value.node().text);
    if (!image) image = ReadJpeg(value.node().text);
  }
  if (!image || image->width == 0 || image->width > kMostPixelsOfSide || image->height == 0 ||
      image->height > kMostPixelsOfSide)
    return std::nullopt;
  image->sha256 = HexSha256(image->file);
  return image;
}

std::optional<Image> ReadMask(const Value& value) {
  if (value.kind() != ValueKind::kMap) return std::nullopt;
  std::optional<Image> image = EncodePng(value, 1);
  if (image) image->sha256 = HexSha256(image->file);
  return image;
}

}  // namespace flarebridge::wandb
