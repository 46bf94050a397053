// Small files that are whole or not there, whatever happens. Any thread.
#pragma once

#include <filesystem>
#include <string_view>

#include "events/error.h"

namespace flarebridge {

// Writes the file under another name, syncs and renames it: when this returns without an error, it
// survives a power cut. Folders above are made. Mode 0600. Errors: kIo, kTemporary.
Expected<void> WriteDurably(const std::filesystem::path& path, std::string_view content);

// The path itself, or with "-2", "-3", ... behind it: the first one that is not there.
std::filesystem::path FreeName(const std::filesystem::path& path);

}  // namespace flarebridge
