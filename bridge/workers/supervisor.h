// Starts, feeds, watches and restarts one worker per run, and learns from them what is durable. A
// worker that keeps up is fed from memory; one that is slow, dead or new is fed from the journal,
// and holds up nobody: what waits for it in memory is bounded. The bridge's one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/intake/intake.h"
#include "bridge/journal/journal.h"
#include "bridge/process/child_process.h"
#include "bridge/process/event_loop.h"
#include "bridge/process/restart_policy.h"
#include "bridge/workers/quarantine.h"
#include "events/worker_frame.h"

namespace flarebridge {

class Supervisor {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Callbacks {
    // All receivers of the run have its events up to the position on disk.
    std::function<void(int64_t run, uint64_t position)> durable;
    // The run has ended, is complete, and its worker has left.
    std::function<void(int64_t run)> finished;
    // A run's file that is to be uploaded; told whenever it may have more to upload than before.
    std::function<void(int64_t run, const std::string& path)> upload;
    // Something a person should read about a run.
    std::function<void(int64_t run, NoticeLevel level, const std::string& text)> notice;
  };

  Supervisor(EventLoop& loop, Journal& journal, Quarantine quarantine, Callbacks callbacks,
             const RestartPolicy::Deadlines& policy);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // A run to look after. `stored`: the position of the first event of it that the journal holds, or
  // nothing.
  void Add(const Intake::RunInfo& run, std::optional<uint64_t> stored, Time now);
  // Events of a run that have just become durable in the journal.
  void Offer(const Intake::Slice& slice, Time now);

  // Takes a finished run out.
  void Remove(int64_t run);

  // Every run's events are in its receivers, and no worker is left.
  bool AllDone() const;
  // As AllDone(), but for runs that say that trying again does not help.
  bool NothingMoves() const;
  // Runs whose events are not all delivered, as "site (reason)", for the log.
  std::vector<std::string> Undone() const;
  size_t workers() const;
  // When a run's durable position last rose.
  Time last_progress() const { return last_progress_; }

  // Lets every worker write out what it has and leave; runs stay open and nothing is started again.
  void StopAll(Time now);

  void OnTimer(Time now);
  std::optional<Time> NextTimer() const;

 private:
  struct Run;

  void Spawn(Run& run, Time now);
  void OnReadable(Run& run, Time now);
  // False: the worker has said something that makes no sense.
  bool HandleFrame(Run& run, const FrameReader::Frame& frame, Time now);
  void OnExit(Run& run, Time now);
  void Act(Run& run, RestartPolicy::Action action, Time now);
  // Sends as much as the worker takes, from memory and from the journal.
  void Pump(Run& run);
  // Fills the outgoing bytes from the journal. Errors are told as notices.
  void Refill(Run& run);
  // A worker died at an event: one that does so again and again is left out.
  void Suspect(Run& run, uint64_t position);
  void StopIfDone(Run& run, Time now);
  void Release(Run& run);

  EventLoop& loop_;
  Journal& journal_;
  Quarantine quarantine_;
  Callbacks callbacks_;
  RestartPolicy::Deadlines policy_;
  bool stopping_ = false;
  Time last_progress_{};
  std::map<int64_t, std::unique_ptr<Run>> runs_;
};

}  // namespace flarebridge
