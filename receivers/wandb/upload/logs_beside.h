// Which run logs lie beside each other: a parent folder is looked at once for all runs in it, and
// again when it has changed or is asked about a log that it did not have. Shared by all uploads of
// a process; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "events/mutex.h"

namespace flarebridge::wandb {

class LogsBeside {
 public:
  // The logs of its name in the run folders beside the log's own. Links are not followed.
  std::vector<std::filesystem::path> Of(const std::filesystem::path& log);
  // How many folders were read until now.
  uint64_t folders_read() const;

 private:
  using Time = std::pair<int64_t, int64_t>;  // seconds, nanoseconds
  struct Parent {
    Time changed{};                                        // as it was before it was read
    std::map<std::string, std::vector<std::string>> logs;  // by run folder; none in it: empty
    std::multimap<std::string, std::string> folders;       // by log
  };
  // Reads the parent, and those of its run folders that had no log yet, and the log's own.
  void Read(const std::filesystem::path& log, Time changed, Parent& parent) REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::map<std::filesystem::path, Parent> parents_ GUARDED_BY(mutex_);
  uint64_t folders_read_ GUARDED_BY(mutex_) = 0;
};

}  // namespace flarebridge::wandb
