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

// All logs of runs at or below a path, which may be a log (of any name), a run's folder or any
// folder; sorted by their paths, links not followed. Errors: kIo (nothing there).
Expected<std::vector<FoundRun>> FindRunLogs(const std::filesystem::path& path);

// Takes out the logs of runs of which another tracking system's log is there, too, by the run's id:
// W&B's log says most.
void KeepEachRunOnce(std::vector<FoundRun>& runs);

// Both: the runs at or below a path.
Expected<std::vector<FoundRun>> FindRuns(const std::filesystem::path& path);

}  // namespace flarebridge
