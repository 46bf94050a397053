// Images as W&B keeps them: a PNG or JPEG file and its measures. A site sends a file's bytes, or
// the pixels, which become a PNG here. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "events/value.h"

namespace flarebridge::wandb {

struct Image {
  std::string file;         // the file's bytes
  std::string_view format;  // "png" or "jpeg", also the file's extension
  uint32_t width = 0;       // pixels
  uint32_t height = 0;
  std::string sha256 = {};  // of the file, 64 lower-case hex digits
};

// Of a binary value: a PNG or JPEG file as it is. Of a map {"height", "width", "channels" (1, 2, 3
// or 4: grey, grey and alpha, RGB, RGB and alpha), "data"}: one byte per channel, row by row from
// the top. Nothing if it is neither.
std::optional<Image> ReadImage(const Value& value);
// Of a map {"height", "width", "data"}: the class of each pixel, one byte, as a grey PNG.
std::optional<Image> ReadMask(const Value& value);

}  // namespace flarebridge::wandb
