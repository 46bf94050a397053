// Folders and the names in them: made, brought to the disk, found free, set aside, pointed to. Used
// by the receivers for their runs' folders and by commands that keep a file as it was. Several
// processes may work in one folder at once. Any thread.
#pragma once

#include <filesystem>

#include "events/error.h"

namespace flarebridge {

// Makes a folder. False: something has its name already. Errors: kIo, kTemporary.
Expected<bool> MakeFolder(const std::filesystem::path& path);

// Makes a folder and those above it, where they are not there. Errors: kInvalidName (no folder can
// have this path), kIo, kTemporary.
Expected<void> MakeFolders(const std::filesystem::path& path);

// The same; the folder itself, if it is made, is this user's alone (mode 0700). One that is there
// stays as it is. Errors: as above.
Expected<void> MakePrivateFolder(const std::filesystem::path& path);

// Names may be made and removed in the folder, as far as its rights and its file system tell.
// Errors: kIo, kTemporary.
Expected<void> MayChange(const std::filesystem::path& folder);

// The names in the folder are on the disk when it returns. Errors: kIo, kTemporary.
Expected<void> PersistFolder(const std::filesystem::path& folder);

// The path itself, or with "-2", "-3", ... behind it: the first one that is not there.
std::filesystem::path FreeName(const std::filesystem::path& path);

// Renames a file or folder whose content is damaged, so that it is not found again:
// `<path>.damaged`, or `.damaged-2` and so on. Gives the new name. Errors: kIo, also after a
// hundred times.
Expected<std::filesystem::path> SetAside(const std::filesystem::path& path);

// Makes the link point to `target`, or lets it point there from now on; who follows it meanwhile
// finds the old target or the new one. A file system without links goes without: no error.
void PointLink(const std::filesystem::path& link, const std::filesystem::path& target);

}  // namespace flarebridge
