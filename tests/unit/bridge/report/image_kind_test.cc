// Which files are images, by their bytes.
#include "bridge/report/image_kind.h"

#include <doctest/doctest.h>

#include <string>

using namespace flarebridge;
using namespace std::string_literals;

namespace {

const std::string kPng = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\x02\0\0\0\x03\x08\x02\0\0\0"s +
                         "crc!....IEND\xae\x42\x60\x82";
const std::string kJpeg = "\xff\xd8\xff\xe0\0\x04xx\xff\xc0\0\x0b\x08\x01\x02\x00\x07...\xff\xd9"s;
const std::string kGif = "GIF89a\x02\x01\x03\0\x80\0\0....;"s;
const std::string kWebp = "RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0....\x01\x01\0\x02\0\0"s;

void CheckKind(const std::string& file, std::string_view type, uint64_t width, uint64_t height) {
  const std::optional<ImageKind> kind = ImageKindOf(file);
  REQUIRE(kind.has_value());
  CHECK(kind->type == type);
  CHECK(kind->width == width);
  CHECK(kind->height == height);
  CHECK(kind->whole);
}

}  // namespace

TEST_CASE("PNG, JPEG, GIF and WebP are known by their bytes, with their measures") {
  CheckKind(kPng, "png", 258, 3);
  CheckKind(kJpeg, "jpeg", 7, 258);
  CheckKind(kGif, "gif", 258, 3);
  CheckKind(kWebp, "webp", 258, 3);
  CheckKind("RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\x01\x81\0\0....."s, "webp", 258, 3);
  CheckKind("RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0......\x02\x01\x03\0"s, "webp", 258, 3);
}

TEST_CASE("of a file that was cut off nothing is known, or that it has no end") {
  for (const std::string& file : {kPng, kJpeg, kGif, kWebp}) {
    for (size_t size = 0; size < file.size(); ++size) {
      const std::optional<ImageKind> kind = ImageKindOf(file.substr(0, size));
      CHECK_FALSE((kind && kind->whole));
    }
  }
}

TEST_CASE("what can hold a script, and what only begins like an image, is none") {
  for (const std::string& file :
       {"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"s, "<html>"s, "BM...................."s,
        "\xff\xd8\xff"s + std::string(100, '\xff'), "\xff\xd8\xff\xe0\0\0"s + std::string(100, 'x'),
        "GIF90a.........;"s, "RIFF\x16\0\0\0WAVEfmt ...................."s})
    CHECK_FALSE(ImageKindOf(file).has_value());
}
