// What kind of image a file is, told by its bytes alone and never by its name: the few kinds that a
// browser draws and that hold no script. Used by ReportImages. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace flarebridge {

struct ImageKind {
  std::string_view type;  // as "png", behind "image/"
  uint64_t width = 0;     // pixels, as the file says
  uint64_t height = 0;
  bool whole = false;  // it has an end, which one that was cut off has not
};

// Nothing: no PNG, JPEG, GIF or WebP, or not even the begin of one with its measures.
std::optional<ImageKind> ImageKindOf(std::string_view file);

}  // namespace flarebridge
