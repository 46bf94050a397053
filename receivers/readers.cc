#include "receivers/readers.h"

#include <algorithm>
#include <array>

#include "receivers/files/find_files.h"
#include "receivers/wandb/run/wandb_run_reader.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Null: nobody's log.
const RunReader* ReaderOf(const fs::path& file) {
  static const std::array<const RunReader*, 1> kReaders = {&WandbRunReader()};
  const auto found = std::find_if(kReaders.begin(), kReaders.end(),
                                  [&](const RunReader* reader) { return reader->IsLog(file); });
  return found == kReaders.end() ? nullptr : *found;
}

}  // namespace

Expected<std::vector<FoundRun>> FindRuns(const fs::path& path) {
  const Expected<std::vector<fs::path>> logs =
      FindFiles(path, [](const fs::path& file) { return ReaderOf(file) != nullptr; });
  if (!logs) return Propagate(logs);
  std::vector<FoundRun> runs;
  for (const fs::path& log : *logs) {
    const RunReader* reader = ReaderOf(log);
    // A file that was named itself may have any name; W&B's tools take every one for a run log.
    runs.push_back({log, reader == nullptr ? &WandbRunReader() : reader});
  }
  return runs;
}

}  // namespace flarebridge
