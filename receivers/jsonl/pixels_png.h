// Pixels as a PNG file, for who reads them: a line has them as they were logged, row by row from
// the top. Nothing is compressed. Used by line_fields.h. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge::jsonl {

// `channels`: 1 to 4, of one byte each: grey, grey and alpha, RGB, RGB and alpha. Nothing: there
// are not as many bytes as the measures say, or no pixels.
std::optional<std::string> PngOfPixels(uint64_t width, uint64_t height, uint64_t channels,
                                       std::string_view bytes);

}  // namespace flarebridge::jsonl
