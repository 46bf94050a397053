// Cuts what can't be read off the end of a file, or replaces it by what can, and keeps the file as
// it was beside it. What fails leaves the file as it was, and no copy of it or a whole one. Used to
// repair what was appended to. Any thread; nobody else may write the file meanwhile.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "events/error.h"

namespace flarebridge {

// Copies the file to `<file>.before-repair` (or `-2` and so on) and cuts the original at `end`
// bytes. Gives the copy's name, without its folder. Errors: kIo, kTemporary.
Expected<std::string> KeepAndCut(const std::filesystem::path& file, uint64_t end);

// The same, but puts in its place what `copy` makes of it, whole or not at all: it gets the file,
// open to be read, and an empty one. Errors: kIo, kTemporary, those of `copy`.
using CopyPart = std::function<Expected<void>(int from, int to)>;
Expected<std::string> KeepAndReplace(const std::filesystem::path& file, const CopyPart& copy);

}  // namespace flarebridge
