// An argument that a receiver takes, for those who let a person type it. Each receiver lists its
// own; receivers.h has all of them. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace flarebridge {

enum class ArgumentKind : uint8_t {
  kText,
  kFolder,
  kFlag,
  kTexts,  // a list
  kMap,
};

struct ReceiverArgument {
  std::string_view name;
  ArgumentKind kind;
};

// Where a receiver writes; all take it.
inline constexpr std::string_view kFolderArgument = "dir";

}  // namespace flarebridge
