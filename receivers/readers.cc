#include "receivers/readers.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "receivers/files/find_files.h"
#include "receivers/jsonl/jsonl_run_reader.h"
#include "receivers/wandb/run/wandb_run_reader.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// The one that says most of a run comes first.
const std::array<const RunReader*, 2>& Readers() {
  static const std::array<const RunReader*, 2> kReaders = {&WandbRunReader(), &JsonlRunReader()};
  return kReaders;
}

// Null: nobody's log.
const RunReader* ReaderOf(const fs::path& file) {
  const auto found = std::find_if(Readers().begin(), Readers().end(),
                                  [&](const RunReader* reader) { return reader->IsLog(file); });
  return found == Readers().end() ? nullptr : *found;
}

// Of a file that was named itself, which may have any name: W&B's tools take every one for a run
// log.
const RunReader& ReaderOfNamed(const fs::path& file) {
  if (const RunReader* reader = ReaderOf(file)) return *reader;
  const bool has_lines = file.filename().string().find(".jsonl") != std::string::npos;
  return has_lines ? JsonlRunReader() : WandbRunReader();
}

}  // namespace

Expected<std::vector<FoundRun>> FindRunLogs(const fs::path& path) {
  const Expected<std::vector<fs::path>> logs =
      FindFiles(path, [](const fs::path& file) { return ReaderOf(file) != nullptr; });
  if (!logs) return Propagate(logs);
  std::vector<FoundRun> runs;
  for (const fs::path& log : *logs) runs.push_back({log, &ReaderOfNamed(log)});
  return runs;
}

void KeepEachRunOnce(std::vector<FoundRun>& runs) {
  std::map<std::string, const RunReader*> first;  // by the run's id
  for (const RunReader* reader : Readers())
    for (const FoundRun& run : runs)
      if (run.reader == reader) first.emplace(reader->IdOf(run.log), reader);
  std::erase_if(runs, [&](const FoundRun& run) {
    const std::string id = run.reader->IdOf(run.log);
    return !id.empty() && first[id] != run.reader;
  });
}

Expected<std::vector<FoundRun>> FindRuns(const fs::path& path) {
  Expected<std::vector<FoundRun>> runs = FindRunLogs(path);
  if (runs) KeepEachRunOnce(*runs);
  return runs;
}

}  // namespace flarebridge
