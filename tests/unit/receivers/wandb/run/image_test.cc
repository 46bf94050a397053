#include "receivers/wandb/run/image.h"

#include <doctest/doctest.h>
#include <png.h>

#include <array>
#include <nlohmann/json.hpp>

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;

Document FromJson(const Json& json) {
  const std::vector<uint8_t> bytes = Json::to_msgpack(json);
  return Document::Parse(std::string(bytes.begin(), bytes.end())).value();
}

Json Pixels(uint64_t height, uint64_t width, uint64_t channels, std::vector<uint8_t> data) {
  return {
      {"height", height}, {"width", width}, {"channels", channels}, {"data", Json::binary(data)}};
}

Json Bytes(const std::string& bytes) {
  return Json::binary(std::vector<uint8_t>(bytes.begin(), bytes.end()));
}

std::optional<Image> Read(const Json& json) { return ReadImage(FromJson(json).root()); }

TEST_CASE("pixels become a PNG that holds just these pixels") {
  for (const uint64_t channels : std::array<uint64_t, 4>{1, 2, 3, 4}) {
    std::vector<uint8_t> pixels(5 * 7 * channels);
    for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i * 37);
    const std::optional<Image> image = Read(Pixels(5, 7, channels, pixels));
    REQUIRE(image.has_value());
    CHECK(image->format == "png");
    CHECK(image->width == 7);
    CHECK(image->height == 5);
    CHECK(image->sha256.size() == 64);
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    REQUIRE(png_image_begin_read_from_memory(&png, image->file.data(), image->file.size()) != 0);
    CHECK(PNG_IMAGE_PIXEL_CHANNELS(png.format) == channels);
    std::vector<uint8_t> read(PNG_IMAGE_SIZE(png));
    REQUIRE(png_image_finish_read(&png, nullptr, read.data(), 0, nullptr) != 0);
    CHECK(read == pixels);
    // A file is kept as it is.
    const std::optional<Image> again = Read(Bytes(image->file));
    REQUIRE(again.has_value());
    CHECK(again->file == image->file);
    CHECK(again->width == 7);
    CHECK(again->sha256 == image->sha256);
  }
}

TEST_CASE("a mask becomes a grey PNG whose pixels are the classes") {
  const std::vector<uint8_t> classes = {0, 1, 2, 255, 7, 0};
  Json mask = {{"height", 2}, {"width", 3}, {"data", Json::binary(classes)}};
  const std::optional<Image> image = ReadMask(FromJson(mask).root());
  REQUIRE(image.has_value());
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&png, image->file.data(), image->file.size()) != 0);
  CHECK(png.format == PNG_FORMAT_GRAY);
  std::vector<uint8_t> read(PNG_IMAGE_SIZE(png));
  REQUIRE(png_image_finish_read(&png, nullptr, read.data(), 0, nullptr) != 0);
  CHECK(read == classes);
  mask["width"] = 4;
  CHECK_FALSE(ReadMask(FromJson(mask).root()).has_value());
  CHECK_FALSE(ReadMask(FromJson(Json(5)).root()).has_value());
}

TEST_CASE("of a JPEG file the measures are read behind whatever segments it begins with") {
  const std::string frame("\xff\xc2\x00\x0b\x08\x01\x02\x03\x04\x01\x11", 11);
  const std::string comment(
      "\xff\xfe\x00\x05"
      "abc",
      7);
  const std::optional<Image> image = Read(Bytes("\xff\xd8" + comment + frame));
  REQUIRE(image.has_value());
  CHECK(image->format == "jpeg");
  CHECK(image->height == 0x0102);
  CHECK(image->width == 0x0304);
}

TEST_CASE("what is no image, or an impossible one, is nothing") {
  for (const Json& wrong : std::vector<Json>{
           Json("text"), Json(5), Json::array({1, 2}), Json::object(), Bytes(""), Bytes("GIF89a"),
           Bytes(std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16)),
           Bytes(std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16) + std::string(17, '\0')),
           Bytes("\xff\xd8\xff"), Bytes("\xff\xd8" + std::string(100, '\xff')),
           Bytes(std::string("\xff\xd8\xff\xe0\0\0\xff\xd9", 8)), Pixels(2, 2, 3, {1, 2, 3}),
           Pixels(0, 2, 3, {}), Pixels(1, 1, 5, {1, 2, 3, 4, 5}), Pixels(1, 70000, 1, {}),
           Pixels(uint64_t{1} << 32, uint64_t{1} << 32, 1, {})}) {
    CAPTURE(wrong.dump(-1, ' ', false, Json::error_handler_t::replace));
    CHECK_FALSE(Read(wrong).has_value());
  }
}

}  // namespace
}  // namespace flarebridge::wandb
