// The run logs that a process knows of, and which of them it uploads now: parts of one run may lie
// in folders of several parents, which only who was given them all can tell. Shared by all uploads
// of a process; any thread.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "events/error.h"
#include "events/mutex.h"

namespace flarebridge::wandb {

// Which run a log is of, as its first run record says.
struct LogIdentity {
  std::string run_id, entity, project;
  double start_time = 0;  // seconds since the epoch
  bool ours = false;      // flarebridge wrote it: the record has our mark
};
// Nothing: the log names no run yet, or can't be read.
std::optional<LogIdentity> IdentityOf(const std::filesystem::path& log);

// The log lies in a folder `run-...`, so that its run is uploaded while it is written, and W&B's
// own client does that: it is no log of ours, and no upload of ours has left a note beside it.
// `notes`: where such a note may be besides (upload_notes.h).
bool IsUploadedByItsWriter(const std::filesystem::path& log, const std::filesystem::path& notes);

class KnownLogs {
 public:
  void Add(const std::filesystem::path& log);
  // Those with this file name, which holds the run's id.
  std::vector<std::filesystem::path> WithName(const std::filesystem::path& name) const;

  // An upload of what is there now begins, or is going to, and is over. Until then the log's later
  // parts wait.
  void Begin(const std::filesystem::path& log);
  void End(const std::filesystem::path& log);
  bool IsAtWork(const std::filesystem::path& log) const;

 private:
  mutable Mutex mutex_;
  std::multimap<std::filesystem::path, std::filesystem::path> logs_ GUARDED_BY(mutex_);  // by name
  std::set<std::filesystem::path> at_work_ GUARDED_BY(mutex_);
};

// One spelling for each log.
std::filesystem::path PlainPath(const std::filesystem::path& path);

}  // namespace flarebridge::wandb
