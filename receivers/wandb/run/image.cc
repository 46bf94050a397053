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
std::optional<Image> EncodePng(const Value& measures, uint64_t channels, std::string_view bytes) {
  const auto number = [&measures](std::string_view key) {
    return measures.Find(key).value_or(Value()).AsUint64().value_or(0);
  };
  const uint64_t width = number("width");
  const uint64_t height = number("height");
  std::optional<std::string> file = PngOfPixels(width, height, channels, bytes);
  if (!file) return std::nullopt;
  return Image{std::move(*file), "png", static_cast<uint32_t>(width),
               static_cast<uint32_t>(height)};
}

bool HasPossibleMeasures(const Image& image) {
  return image.width > 0 && image.width <= kMostPixelsOfSide && image.height > 0 &&
         image.height <= kMostPixelsOfSide;
}

std::optional<Image> Checked(std::optional<Image> image) {
  if (!image || !HasPossibleMeasures(*image)) return std::nullopt;
  image->sha256 = HexSha256(image->file);
  return image;
}

std::optional<std::string_view> BytesOf(const Value& map) {
  const Value data = map.Find("data").value_or(Value());
  if (data.kind() != ValueKind::kBinary) return std::nullopt;
  return data.node().text;
}

std::optional<Image> ReadFile(std::string_view file) {
  std::optional<Image> image = ReadPng(file);
  return image ? image : ReadJpeg(file);
}

}  // namespace

std::optional<Image> ReadImage(const Value& value) {
  if (value.kind() == ValueKind::kBinary) return Checked(ReadFile(value.node().text));
  const std::optional<std::string_view> bytes = BytesOf(value);
  return bytes ? ReadPixels(value, *bytes) : std::nullopt;
}

std::optional<Image> ReadPixels(const Value& measures, std::string_view bytes) {
  const uint64_t channels = measures.Find("channels").value_or(Value()).AsUint64().value_or(0);
  return Checked(EncodePng(measures, channels, bytes));
}

std::optional<Image> ReadImageHead(std::string_view head) {
  std::optional<Image> image = ReadFile(head);
  if (!image || !HasPossibleMeasures(*image)) return std::nullopt;
  image->file.clear();
  return image;
}

std::optional<Image> ReadMask(const Value& value) {
  const std::optional<std::string_view> bytes = BytesOf(value);
  return bytes ? ReadMask(value, *bytes) : std::nullopt;
}

std::optional<Image> ReadMask(const Value& measures, std::string_view bytes) {
  std::optional<Image> image = EncodePng(measures, 1, bytes);
  if (image) image->sha256 = HexSha256(image->file);
  return image;
}

}  // namespace flarebridge::wandb
