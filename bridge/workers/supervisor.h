// Starts, feeds, watches and restarts one worker per run, and learns from them what is durable. A
// worker that keeps up is fed from memory; one that is slow, dead or new is fed from the journal,
// and holds up nobody: what waits for it in memory is bounded. So does a receiver of a run that
// fails: the run's others go on without it (run_feed.h). The bridge's one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bridge/intake/intake.h"
#include "bridge/journal/journal.h"
#include "bridge/workers/quarantine.h"
#include "bridge/workers/run_feed.h"
#include "bridge/workers/worker_handle.h"

namespace flarebridge {

class Supervisor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Callbacks = RunFeed::Callbacks;
  using Limits = RunFeed::Limits;
  // What tests replace.
  struct Seams {
    SpawnWorker spawn;
    std::function<Time()> now;
  };

  Supervisor(Journal& journal, Quarantine quarantine, Callbacks callbacks, Seams seams,
             const Limits& limits);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // A run to look after. `stored`: the position of the first event of it that the journal holds, or
  // nothing.
  void Add(const Intake::RunInfo& run, std::optional<uint64_t> stored, Time now);
  // Events of a run that have just become durable in the journal.
  void Offer(const Intake::Slice& slice, Time now);

  // Takes a finished run out.
  void Remove(int64_t run);

  // Every run's events are in its receivers or in quarantine, and no worker is left.
  bool AllDone() const;
  // As AllDone(), but for runs that say that trying again does not help.
  bool NothingMoves() const;
  // Runs whose events are not all delivered, as "site (reason)", for the log.
  std::vector<std::string> Undone() const;
  // What could be set for them, as " --set wandb.project=PROJECT"; each once.
  std::set<std::string> Remedies() const;
  size_t workers() const;
  // When a receiver of any run last had more on disk.
  Time last_progress() const { return shared_.last_progress; }

  // Lets every worker write out what it has and leave; runs stay open and nothing is started again.
  void StopAll(Time now);

  void OnTimer(Time now);
  std::optional<Time> NextTimer() const;

 private:
  // Of the runs that are stuck the one with the most in the journal makes room for the others.
  void MakeRoom(Time now);
  bool IsCrowded() const;

  RunFeed::Shared shared_;
  std::map<int64_t, std::unique_ptr<RunFeed>> runs_;
  Time room_looked_at_{};  // while the journal is crowded
};

}  // namespace flarebridge
