// One run under supervision: its worker, what the worker is fed from (memory while it keeps up, the
// journal else), how its receivers stand, and what becomes of the events of one that failed. Owned
// by the Supervisor, which holds what all runs share. The bridge's one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/intake/intake.h"
#include "bridge/journal/journal.h"
#include "bridge/process/restart_policy.h"
#include "bridge/workers/quarantine.h"
#include "bridge/workers/receiver_states.h"
#include "bridge/workers/worker_handle.h"
#include "events/worker_frame.h"
#include "receivers/upload_target.h"

namespace flarebridge {

class RunFeed {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Whom a run's feed tells of what happens.
  struct Callbacks {
    // No receiver of the run needs its events up to the position any more.
    std::function<void(int64_t run, uint64_t position)> durable;
    // The run has ended, is complete, and its worker has left.
    std::function<void(int64_t run)> finished;
    // What of a run is to be uploaded; told whenever there may be more of it than before.
    std::function<void(int64_t run, const UploadTarget& target)> upload;
    // Something a person should read about a run.
    std::function<void(int64_t run, NoticeLevel level, const std::string& text)> notice;
  };
  struct Limits {
    RestartPolicy::Deadlines restarts;
    ReceiverStates::Patience patience;
    // What the journal keeps for receivers that failed, of all runs together; beyond it the one
    // with the most is given up.
    uint64_t backlog_bytes = uint64_t{256} << 20;
    // A run that failed as a whole, so that trying again does not help, costs the journal no more
    // than the patience for one of its receivers. Without it its events wait for ever.
    bool gives_up_runs = false;
    // Bytes in the journal from which on there is little room for other runs: one that is stuck
    // then costs no more (see GiveUpStuck()).
    uint64_t crowded_bytes = uint64_t{768} << 20;
    // A run is stuck when it has had nothing more on disk for this long, though it lacks events.
    RestartPolicy::Duration stuck_after = std::chrono::minutes(1);
    // What a person types to go on with what is left.
    std::string finish_command;
  };
  // What all runs share.
  struct Shared {
    Journal& journal;
    Quarantine quarantine;
    Callbacks callbacks;
    SpawnWorker spawn;
    std::function<Time()> now;
    Limits limits;
    bool stopping = false;  // nothing is started again
    Time last_progress{};   // when a receiver of any run last had more on disk, or read on in its
                            // file
  };

  // `stored`: the position of the first event of the run that the journal holds, or nothing.
  // `shared` must outlive it.
  RunFeed(Shared& shared, const Intake::RunInfo& info, std::optional<uint64_t> stored);
  RunFeed(const RunFeed&) = delete;
  RunFeed& operator=(const RunFeed&) = delete;

  // Starts a worker if the run's receivers lack something.
  void Start(Time now);
  // Events of the run that have just become durable in the journal.
  void Offer(const Intake::Slice& slice, Time now);
  // The worker writes out what it has and leaves.
  void Stop(Time now);

  // Every event is in each of its receivers, or in quarantine.
  bool HasAll() const { return receivers_.Forgotten() >= info_.last_position; }
  // The same, and no worker is left.
  bool IsDone() const { return HasAll() && !worker_; }
  // What its receivers still want is there, or trying again does not help.
  bool IsStuckOrDone() const;
  bool has_worker() const { return worker_ != nullptr; }
  // "site (reason)" for the log.
  std::string Describe() const;

  // Arguments with which receivers that lack events might take them, as
  // " --set wandb.project=PROJECT"; empty: none is known.
  std::string Remedy() const;

  // What the journal keeps for receivers that failed.
  uint64_t BacklogBytes() const { return receivers_.BacklogBytes(); }
  // Gives up the one it keeps the most for, if there is one while others go on.
  void GiveUpLargest();

  // It lacks events, and has had no more on disk for so long that others need not wait for it.
  bool IsStuck(Time now) const;
  // Bytes of its events in the journal.
  uint64_t JournalBytes() const;
  // Its events go to quarantine and are not there yet.
  bool IsSettingAside() const;
  // Of a worker that hangs, another one is started; if that gets no further, or none can be
  // started, the run's events go to quarantine from now on, as those of a receiver that failed.
  void GiveUpStuck(Time now);

  void OnTimer(Time now);
  std::optional<Time> NextTimer() const;

 private:
  void Act(RestartPolicy::Action action, Time now);
  void Spawn(Time now);
  void Kill();
  void Release();
  void OnReadable(Time now);
  // False: the worker has said something that makes no sense.
  bool HandleFrame(const FrameReader::Frame& frame, Time now);
  bool HandleStatus(const FrameReader::Frame& frame, Time now);
  void OnExit(Time now);
  // The run can't be written whatever is tried again.
  void OnRefused(Time now);
  void StopIfDone(Time now);
  void FinishIfDone();
  void TellUploads();
  void Tell(NoticeLevel level, const std::string& text);

  // Sends as much as the worker takes, from memory and from the journal.
  void Pump();
  // Fills the outgoing bytes from the journal. Errors are told as notices.
  void Refill();
  // A worker died at an event, by a fault of its own or killed by somebody else: one that does so
  // again and again is left out.
  void Suspect(uint64_t position, bool crashed);

  // A receiver has failed, and others go on.
  void OnFailed(ReceiverStates::Receiver& receiver);
  void GiveUp(ReceiverStates::Receiver& receiver, const std::string& why);
  // The run failed for good, too long ago or with too much in the journal: all receivers are given
  // up.
  void GiveUpRun(Time now);
  // The events of this receiver, which is given up, are to be moved to quarantine now.
  bool IsForQuarantine(const ReceiverStates::Receiver& receiver) const;
  // Moves a piece of them.
  void QuarantineSome(ReceiverStates::Receiver& receiver, Time now);
  // The run has ended, and all that is not given up has it.
  bool IsOver() const;
  bool IsLive() const { return restarts_.state() == RestartPolicy::State::kRunning; }
  bool HasWork() const { return receivers_.HasWork(info_.last_position); }

  Shared& shared_;
  Intake::RunInfo info_;
  RestartPolicy restarts_;
  ReceiverStates receivers_;
  std::unique_ptr<WorkerHandle> worker_;
  FrameReader reader_;
  std::string outgoing_;
  uint64_t sent_ = 0;  // positions up to here are in the worker or in outgoing_
  std::vector<UploadTarget> uploads_;
  Time progress_at_{};                    // when it last had more on disk, or lacked nothing
  bool hung_ = false;                     // its worker was killed for that it got no further
  bool resumed_ = false;                  // it has gone on after an end
  bool finished_ = false;                 // told
  std::optional<Time> failed_since_;      // for good, and not given up
  uint64_t failed_bytes_ = 0;             // then: of its events in the journal
  std::string last_error_;                // the worker's last words
  bool told_ = false;                     // this failure has been told
  uint64_t suspect_ = 0;                  // position of the event at which workers die
  unsigned deaths_ = 0;                   // of workers at the suspect, in a row
  unsigned crashes_ = 0;                  // of these, by a fault of their own
  bool killed_ = false;                   // by the bridge: this worker
  uint64_t quarantined_until_ = 0;        // what was left behind when a receiver was given up
  std::optional<Time> quarantine_again_;  // after an attempt that failed
};

}  // namespace flarebridge
