// The environment's variables as the account's parts ask for them. Any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace flarebridge::wandb {

// Gives an environment variable's value, or nothing if it is not set or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;

// A path as people set it: "~/" at its beginning is the home.
inline std::filesystem::path InHome(const Environment& environment, const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  return environment("HOME").value_or("") + path.substr(1);
}

}  // namespace flarebridge::wandb
