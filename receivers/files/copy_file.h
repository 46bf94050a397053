// Files of any size, read and copied in pieces: memory is that of one piece. Holes stay holes, and
// where the file system can share blocks, nothing is copied. `on_piece` is called after each piece,
// so that whoever waits sees that it goes on. Used for large values of runs. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "events/error.h"

namespace flarebridge {

using OnPiece = std::function<void()>;

// The first `size` bytes' SHA-256, 64 lower-case hex digits. Errors: kIo (it ends before, among
// others), kTemporary.
Expected<std::string> HexSha256Of(int file, uint64_t size, const OnPiece& on_piece);

// The first `size` bytes become the file `relative` below a folder, over one that is there; it is
// whole or not there whatever happens, and on the disk when this returns. Folders on the way are
// made. An unfinished copy has the name ".<name>.part", which the next attempt uses again. Errors:
// kInvalidName (no file can ever have this path here), kIo, kTemporary.
Expected<void> CopyBelow(const std::filesystem::path& folder, const std::filesystem::path& relative,
                         int file, uint64_t size, const OnPiece& on_piece);

}  // namespace flarebridge
