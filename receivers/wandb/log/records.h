// What W&B's records of a run and of its machine say, as plain types that those who write records
// and those who read them share. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace flarebridge::wandb {

struct RunRecord {
  std::string run_id, project, entity, group, job_type, display_name, notes, host;
  std::vector<std::string> tags;
  std::vector<std::pair<std::string, std::string>> config;  // key, JSON
  double start_time = 0;                                    // seconds since the epoch
  std::string version;                                      // of flarebridge
  std::string platform;                                     // "linux-x86_64"
  // Of runs that W&B's own client wrote; ours have none of these.
  std::string sweep, program, repo, commit;
  bool resumed = false;  // a later part of its run, which counts its steps anew
};

struct EnvironmentRecord {
  std::string os, host, executable, writer_id;
  double started_at = 0;
  uint32_t cpu_count = 0;
  uint64_t memory_bytes = 0;
};

}  // namespace flarebridge::wandb
