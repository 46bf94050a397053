// What a process of ours gives up at its start, so that its key does not leak and it can't do more
// than it has to.
#pragma once

namespace flarebridge {

// Neither this process nor one that it starts can ever get more rights than it has (setuid
// programs, file capabilities).
void TakeNoNewPrivileges();

// No core dump is written by this process and those that it starts.
void WriteNoCoreDumps();

// No core dump is written, and only root may look into this process (its environment holds the
// key). Call it before anything else.
void KeepSecrets();

}  // namespace flarebridge
