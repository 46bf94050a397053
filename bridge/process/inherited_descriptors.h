// What a process that is started finds of our open descriptors: the first few, which are put there
// on purpose, and no others. Used where a child is spawned. Any thread.
#pragma once

#include <spawn.h>

namespace flarebridge {

// Those from `lowest` on are closed in the child. All of ours are close-on-exec; libraries' may not
// be.
void CloseInChildFrom(posix_spawn_file_actions_t& actions, int lowest);

// The second way, for a C library without posix_spawn_file_actions_addclosefrom_np (glibc before
// 2.34): those that are open now. Nothing is closed where /proc can't be read.
void CloseListedInChildFrom(posix_spawn_file_actions_t& actions, int lowest);

}  // namespace flarebridge
