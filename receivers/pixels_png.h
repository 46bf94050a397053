// Pixels as a PNG file. Used where an image is written, and where pixels of JSON lines are read.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge {

// W&B's own limit (wandb/sdk/data_types/image.py at 0.31.0).
inline constexpr uint64_t kMostPixelsOfSide = 65'500;

// `bytes`: row by row from the top. `channels`: 1 to 4, of one byte each: grey, grey and alpha,
// RGB, RGB and alpha. Nothing: there are not as many bytes as the measures say, no pixels, or too
// many on a side.
std::optional<std::string> PngOfPixels(uint64_t width, uint64_t height, uint64_t channels,
                                       std::string_view bytes);

}  // namespace flarebridge
