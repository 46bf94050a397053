// The tracking systems whose runs this build can read, and the runs below a path. A new one is a
// RunReader in its folder and one line in readers.cc. Used by commands; any thread.
#pragma once

#include <filesystem>
#include <vector>

#include "events/error.h"
#include "receivers/run_reader.h"

namespace flarebridge {

// A run's log and who can read it; the reader lives as long as the program.
struct FoundRun {
  std::filesystem::path log;
  const RunReader* reader = nullptr;
};

// All runs at or below a path, which may be a log (of any name), a run's folder or any folder;
// sorted by their logs' paths, links not followed. Errors: kIo (nothing there).
Expected<std::vector<FoundRun>> FindRuns(const std::filesystem::path& path);

}  // namespace flarebridge
