// Images as W&B keeps them: a PNG or JPEG file and its measures. A site sends a file's bytes, or
// the pixels, which become a PNG here. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
// Of such a map's measures, and its pixels where they are elsewhere.
std::optional<Image> ReadPixels(const Value& measures, std::string_view bytes);
// Of the beginning of a file, 1 MiB or the whole of it: its format and measures alone.
std::optional<Image> ReadImageHead(std::string_view head);
// Of a map {"height", "width", "data"}: the class of each pixel, one byte, as a grey PNG.
std::optional<Image> ReadMask(const Value& value);
std::optional<Image> ReadMask(const Value& measures, std::string_view bytes);

}  // namespace flarebridge::wandb
