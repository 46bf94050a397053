// Pixels as files that any reader of PNG takes.
#include "receivers/pixels_png.h"

#include <doctest/doctest.h>
#include <png.h>

#include <string>

using flarebridge::PngOfPixels;

namespace {

// The pixels that libpng reads; "" if it refuses.
std::string Decoded(const std::string& file, uint32_t format) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_memory(&image, file.data(), file.size()) == 0) return "";
  if (image.format != format) return "another format";
  std::string pixels(PNG_IMAGE_SIZE(image), '\0');
  return png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) == 0 ? "" : pixels;
}

std::string Pixels(size_t size) {
  std::string pixels;
  for (size_t i = 0; i < size; ++i) pixels.push_back(static_cast<char>(i * 37 % 251));
  return pixels;
}

}  // namespace

TEST_CASE("pixels of one to four channels are read back as they were, also many of them") {
  const uint32_t formats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
  for (uint64_t channels = 1; channels <= 4; ++channels) {
    for (const uint64_t width : {1U, 7U, 400U}) {
      const std::string pixels = Pixels(width * 300 * channels);
      const auto file = PngOfPixels(width, 300, channels, pixels);
      REQUIRE(file.has_value());
      CHECK(Decoded(*file, formats[channels - 1]) == pixels);
    }
  }
}

TEST_CASE("measures that are not those of the bytes make no file") {
  CHECK_FALSE(PngOfPixels(2, 2, 3, Pixels(11)).has_value());
  CHECK_FALSE(PngOfPixels(0, 0, 0, "").has_value());
  CHECK_FALSE(PngOfPixels(1, 1, 5, Pixels(5)).has_value());
  CHECK_FALSE(PngOfPixels(uint64_t{1} << 63, 2, 1, "").has_value());
  CHECK_FALSE(PngOfPixels(65'501, 1, 1, Pixels(65'501)).has_value());
}
