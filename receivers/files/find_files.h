// Finds the files of one kind at or below a path. Used by those who read what receivers wrote. Any
// thread.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "events/error.h"

namespace flarebridge {

// The path itself, if it is a regular file (a link to one counts, and `wanted` is not asked), or
// the wanted regular files below the folder: sorted, canonical, links not followed, folders that
// may not be read left out. Errors: kIo (nothing there).
Expected<std::vector<std::filesystem::path>> FindFiles(
    const std::filesystem::path& path,
    const std::function<bool(const std::filesystem::path& file)>& wanted);

}  // namespace flarebridge
