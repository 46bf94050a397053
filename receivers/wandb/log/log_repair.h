// What is readable of a damaged run log, as a whole log: the records before the damage and those
// that the reader finds behind it, byte for byte, in their order. Used to repair a log that nobody
// writes. Any thread.
#pragma once

#include "events/error.h"

namespace flarebridge::wandb {

// `from`: the log, open to be read; `to`: an empty file, open to be written. Errors: kIo,
// kTemporary, kMalformed (not a run log).
Expected<void> CopyReadable(int from, int to);

}  // namespace flarebridge::wandb
