// Files of JSON lines, for people: their entry in readers.cc. Any thread.
#pragma once

#include "receivers/run_reader.h"

namespace flarebridge {

// Reads what the jsonl receiver writes. Lives as long as the program.
const RunReader& JsonlRunReader();

}  // namespace flarebridge
