// Keeps the W&B key of a process from leaking: used by the commands that upload.
#pragma once

namespace flarebridge {

// No core dump is written by this process and those that it starts.
void WriteNoCoreDumps();

// No core dump is written, and only root may look into this process (its environment holds the
// key). Call it before anything else.
void KeepSecrets();

}  // namespace flarebridge
