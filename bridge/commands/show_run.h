// `flarebridge show` of one run. Each gives the exit status. Used by `show`.
#pragma once

#include <cstdint>

#include "receivers/readers.h"

namespace flarebridge {

// What it says of itself, and its last rows, or with `most_rows` 0 all of them.
int ShowRun(const FoundRun& found, uint64_t most_rows);
// All of it as one object.
int ShowRunAsJson(const FoundRun& found);
// The rows, values as JSON.
int ShowRunAsCsv(const FoundRun& found);

// Why runs can't be read; gives the exit status.
int ComplainOfRuns(const Error& error);

}  // namespace flarebridge
