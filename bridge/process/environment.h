// This process's environment, in the form that the uploading side asks for. Any thread, as long as
// none changes it.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace flarebridge {

// A variable's value, or nothing if it is not set or empty.
inline std::optional<std::string> FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == 0 ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace flarebridge
