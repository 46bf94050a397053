// Landlock, the kernel's way for a process to give up files (landlock(7)): from then on it, and all
// that it starts, reaches only what it has named. Rulesets add up: a second one can only take more
// away. Used by confine.h; the calling thread's process must have one thread.
#pragma once

#include <filesystem>
#include <vector>

#include "events/error.h"

namespace flarebridge {

struct ReachableFiles {
  // Folders and what is below them: read, written, made and removed. `links`: symbolic links, too.
  std::vector<std::filesystem::path> written;
  bool links = false;
  // Files, or folders with what is below them: read only.
  std::vector<std::filesystem::path> read;
};

// For the rest of this process, no file but these, no TCP port and, from version 6 on, no signal
// and no abstract socket to a process outside. What can't be opened is not among them. Needs
// TakeNoNewPrivileges() before. Gives the kernel's version of Landlock. Errors: kUnsupported (the
// kernel has none, or somebody refuses it; nothing has changed then).
Expected<int> RestrictFiles(const ReachableFiles& reachable);

}  // namespace flarebridge
