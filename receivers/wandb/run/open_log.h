// Which log a run goes on in: the one that is there, what a power cut left of it, or a new one
// beside a damaged one. One thread per run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "events/error.h"
#include "receivers/files/append_only_file.h"
#include "receivers/wandb/run/recovery.h"

namespace flarebridge::wandb {

struct OpenedLog {
  std::filesystem::path folder;
  AppendOnlyFile file;
  Recovered recovered;
  std::string set_aside;  // what to tell of a damaged log, or nothing
};

// The run's log below `root`, or a new one. `journal`: whose positions count. `durable`: up to
// which of them the run was confirmed to be on disk: a log that is damaged before that is left
// alone under another name, because nothing may be appended behind damage; of one that is damaged
// behind it the rest is to be cut off. A log that was uploaded is gone on with if it holds events
// of this journal; else it is somebody's finished run. Errors: kIo, kBusy.
Expected<OpenedLog> OpenLog(const std::filesystem::path& root, const RunRecord& run,
                            uint64_t journal, uint64_t durable, bool online,
                            const OnProgress& on_progress = {});

}  // namespace flarebridge::wandb
