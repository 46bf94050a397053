// Small files that are whole or not there, whatever happens, and on the disk when a call returns.
// Used for keys, queue entries, notes of uploads, quarantine, copies of what is repaired. Any
// thread.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string_view>

#include "events/error.h"

namespace flarebridge {

// Writes the file under another name, syncs and renames it: when this returns without an error, it
// survives a power cut. Folders above are made. Errors: kInvalidName (no file can have this path),
// kIo, kTemporary.
Expected<void> WriteDurably(const std::filesystem::path& path, std::string_view content,
                            mode_t mode = 0600);

// The same, with the owner, group and rights of the file `like`, from the first byte on. Errors: as
// above, also if this user may not give files to that owner.
Expected<void> WriteLike(const std::filesystem::path& path, std::string_view content,
                         const std::filesystem::path& like);

// Writes a file that must not be there yet, with exactly this mode; whole, or it is not there.
// Errors: as above, also if it is there.
Expected<void> WriteNewDurably(const std::filesystem::path& path, std::string_view content,
                               mode_t mode);

// Writes the file `relative` below a folder, over one that is there; folders on the way are made,
// and on the disk, too. The path must lead downwards. Errors: kInvalidName (no file can ever have
// this path here), kIo, kTemporary; a file that was there may hold a part of either content then.
Expected<void> WriteBelow(const std::filesystem::path& folder,
                          const std::filesystem::path& relative, std::string_view content);

// Copies a file to a name that must be free: the whole of it, or nothing is there. Errors: kIo,
// kTemporary.
Expected<void> CopyDurably(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace flarebridge
