// W&B's run logs, for people: W&B's entry in readers.cc. Any thread.
#pragma once

#include "receivers/run_reader.h"

namespace flarebridge {

// Reads run logs of ours and of W&B's own package. Lives as long as the program.
const RunReader& WandbRunReader();

}  // namespace flarebridge
