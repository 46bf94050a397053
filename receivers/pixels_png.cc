#include "receivers/pixels_png.h"

#include <png.h>

#include <algorithm>
#include <array>

namespace flarebridge {

std::optional<std::string> PngOfPixels(uint64_t width, uint64_t height, uint64_t channels,
                                       std::string_view bytes) {
  const bool has_pixels = width > 0 && height > 0 && channels > 0;
  if (!has_pixels || std::max(width, height) > kMostPixelsOfSide || channels > 4 ||
      bytes.size() != width * height * channels)
    return std::nullopt;
  constexpr std::array<png_uint_32, 5> kFormats = {0, PNG_FORMAT_GRAY, PNG_FORMAT_GA,
                                                   PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(width);
  png.height = static_cast<png_uint_32>(height);
  png.format = kFormats.at(channels);
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::string file(size, '\0');
  if (png_image_write_to_memory(&png, file.data(), &size, 0, bytes.data(), 0, nullptr) == 0)
    return std::nullopt;
  file.resize(size);
  return file;
}

}  // namespace flarebridge
