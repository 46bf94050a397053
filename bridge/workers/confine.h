// Workers keep to what they are for: they read the bridge's socket and write below their runs'
// folders. Whoever takes one over by a hostile event gets no network, no other program, and no
// other file of the user's.
#pragma once

#include <filesystem>
#include <vector>

namespace flarebridge {

// For the rest of this process: it writes below `folders` only, and reads only these and what tells
// of the system (Landlock); it opens no socket, starts no program and takes part in no other
// process (seccomp); it has few descriptors, no children and 4 GiB of memory (rlimits). What the
// kernel does not have is left out. Folders that can't be opened are not among what it may write
// to.
void Confine(const std::vector<std::filesystem::path>& folders);

}  // namespace flarebridge
