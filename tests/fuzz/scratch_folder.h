// A folder for a fuzz target's files, in memory where there is such a place; it lives as long as
// the program.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

inline const std::filesystem::path& ScratchFolder() {
  namespace fs = std::filesystem;
  static const fs::path folder = [] {
    const fs::path root = fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    std::string name = (root / "flarebridge-fuzz-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) abort();
    static const fs::path made = name;
    atexit([] { fs::remove_all(made); });
    return made;
  }();
  return folder;
}
