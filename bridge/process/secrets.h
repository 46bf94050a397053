// What a process of ours gives up at its start, so that its key does not leak and it can't do more
// than it has to.
#pragma once

#include <string>

namespace flarebridge {

// Neither this process nor one that it starts can ever get more rights than it has (setuid
// programs, file capabilities).
void TakeNoNewPrivileges();

// No core dump is written, and no process of this user may look into this one, only root may: not
// into its memory, not into its environment, not at its open files. What it starts is another
// matter. Call it before anything else. A build with a sanitizer looks into itself, and so can't.
void KeepSecrets();

// Takes a variable out of this process's environment, and gives its value, empty if it is not
// there: what is started later does not find it, and /proc/PID/environ, which shows the memory that
// the process began with, has zeros there. Call it while there is one thread.
std::string TakeFromEnvironment(const std::string& name);

}  // namespace flarebridge
