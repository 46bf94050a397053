// Takes over events from the shims: checks them, decides who wants them and which run they belong
// to, and makes all that arrived durable in one commit, after which it may be acknowledged. Puts
// together sessions (the protocol), the staging of commits, and the log that carries them out.
// Between the link (before) and the supervisor (behind). The bridge's one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bridge/intake/commit_staging.h"
#include "bridge/intake/intake_limits.h"
#include "bridge/intake/opened_session.h"
#include "bridge/intake/router.h"
#include "bridge/intake/sessions.h"
#include "bridge/intake/unwritten.h"
#include "bridge/journal/commit_log.h"
#include "events/event_codec.h"
#include "events/link_message.h"
#include "events/run_spec.h"
#include "receivers/argument_changes.h"

namespace flarebridge {

// When the log is read, if the processes of the sessions that it remembers may come back: they
// count as heard of now, so that no restart ends a run that lives. Without it nobody is heard of.
struct IntakeStart {
  Sessions::Time now{};
  double time = 0;  // the same, in seconds since the epoch
};

class Intake {
 public:
  using Time = Sessions::Time;
  using Limits = IntakeLimits;
  using Start = IntakeStart;
  using Changes = ArgumentChanges;

  // Events of one run that are stored now.
  struct Slice {
    int64_t run = 0;
    uint64_t first_position = 0;
    uint32_t count = 0;
    bool ends = false;  // the last one is the run's end
    std::string body;
  };
  // A run that is new, or that the journal remembers.
  struct RunInfo {
    int64_t id = 0;
    RunSpec spec;
    uint64_t last_position = 0;
    bool ended = false;
  };
  struct Committed {
    std::vector<RunInfo> new_runs;
    std::vector<Slice> slices;
    std::vector<std::string> sessions;  // whose events were stored: they get an acknowledgement
    std::vector<std::string> dropped_sessions;  // that nobody will hear of again, both
    std::vector<int64_t> dropped_runs;
    std::vector<std::string> notices;  // errors that a person should know of
    std::vector<std::string> held;  // sessions that are to send again when there is a run for them
  };

  // Reads what the log knows of sessions and runs. `blobs`: who takes over large values, and
  // outlives it. Errors: kIo, kCorrupt.
  static Expected<std::unique_ptr<Intake>> Load(CommitLog& log, const Limits& limits,
                                                const Start& start = {},
                                                BlobKeeper* blobs = nullptr);

  // All that was loaded has other arguments from now on, durably. Gives how many runs do. Errors:
  // kConfig (they make no sense, or are about no receiver that is there), and those of Commit().
  Expected<size_t> ChangeArguments(const Changes& changes);

  // Runs that the log knew, for the supervisor to go on with.
  std::vector<RunInfo> KnownRuns() const;

  // --- what shims say; `session` is a session's id ---
  // `client`: whose key it came with, or empty. A session belongs to one. Errors: kUnsupported,
  // kTooLarge, kForbidden.
  Expected<Welcome> Hello(const flarebridge::Hello& hello, const std::string& client, Time now) {
    return sessions_.Hello(hello, client, HasRoom(hello.session), now);
  }
  // Takes a batch into memory. Refusals: as Sessions::Take().
  std::optional<Refusal> Take(const std::string& session, const Batch& batch, Time now) {
    return sessions_.Take(session, batch, now, HasRoom(session));
  }
  // What a session is told now.
  Ack AckOf(const std::string& session);
  void Heard(const std::string& session, Time now) { sessions_.Heard(session, now); }
  void Bye(const std::string& session) { sessions_.Bye(session); }

  // --- making it durable ---
  // Bytes that were taken and are not stored yet; the caller stops taking when they are many.
  size_t waiting_bytes() const { return sessions_.waiting_bytes(); }
  // There is something to commit.
  bool HasWork() const { return !forget_.empty() || (HasEvents() && !IsFull()); }
  // Of that, something that a shim waits for.
  bool HasEvents() const { return sessions_.HasStorable(); }
  // No room in the journal: what has been taken waits.
  bool IsFull() const { return log_.stored_bytes() > limits_.journal_bytes; }
  // Of which run the most is in the journal, in words.
  std::string FillsMost() const;
  // Stores everything that was taken, and forgets what receivers have. After an error everything
  // still waits, and nothing has changed but that what receivers have may be forgotten. `time`:
  // now, in seconds since the epoch; 0: not known. Errors: kIo, kTemporary.
  Expected<Committed> Commit(double time = 0);
  // Large values have come to the disk: events that wait for them can be stored.
  void BlobsAreReady() { sessions_.ReleaseWaiting(); }
  // Sessions that are known.
  std::set<std::string> SessionIds() const;
  // The last commit failed: no credit is given until one succeeds.
  bool blocked() const { return blocked_; }

  // All receivers of the run have its events up to the position on disk.
  void Forget(int64_t run, uint64_t position) {
    forget_[run] = position;
    unwritten_.Durable(run, position);
  }
  // A run of KnownRuns() has events that its receivers may not have, from the position on.
  void HasUnwritten(int64_t run, uint64_t first_position);
  // The run has ended and its worker has left. The next commit drops it, unless it has gone on; so
  // a shared bridge serves any number of jobs, one after the other.
  void Finished(int64_t run) { finished_.insert(run); }

  // --- sessions' ends ---
  // Ends the runs of the sessions, as failed.
  // `time`: seconds since the epoch.
  void EndLost(const std::vector<std::string>& sessions, const std::string& reason, double time) {
    sessions_.EndLost(sessions, reason, time);
  }
  // Open sessions (neither ended nor bye) that have said nothing since `since`.
  std::vector<std::string> SilentSince(Time since) const { return sessions_.SilentSince(since); }
  // Any session that may still send: not bye, and not ended and silent since `since`.
  bool AnyAlive(Time since) const { return sessions_.AnyAlive(since); }
  // Sessions that are silent for as long as the limits say are gone with the next commit; gives
  // their ids. `unopened`: how long those may be silent that have opened nothing.
  std::vector<std::string> LeaveForSilent(Time now, std::chrono::seconds unopened);
  bool AnySession() const { return !sessions_.all().empty(); }
  // Every session's end is stored and none of them lacks an answer.
  bool AllEnded() const { return sessions_.AllEnded(); }
  // Open sessions that have told their process, with it.
  std::map<std::string, pid_t> Processes() const { return sessions_.Processes(); }
  // Sessions that feed a run.
  std::vector<std::string> SessionsOf(int64_t run) const { return sessions_.FeedersOf(run); }
  const std::string& SiteOfRun(int64_t run) const { return runs_.at(run).site; }
  uint64_t filtered() const { return filtered_; }

 private:
  Intake(CommitLog& log, const Limits& limits, BlobKeeper* blobs)
      : log_(log),
        limits_(limits),
        surroundings_{log.id(), limits.clients_folder, limits.blobs_folder},
        blobs_(blobs),
        sessions_(limits) {}

  Expected<void> RestoreSessions(const Start& start);
  Time HeardOf(const StoredSession& session, const Start& start) const;
  Expected<void> RestoreRuns();
  Router::Scope ScopeOf(const OpenedSession& opened);
  // The journal has some, and the session's party has not taken its share.
  bool HasRoom(const std::string& session) const;
  bool HasShare(const OpenedSession& opened) const;
  // Its commit has forgotten this.
  void CountForgotten(const JournalCommit& commit, const CommitResult& result);

  Expected<Committed> Store(double time);
  // What receivers have makes room in a full log.
  Expected<void> MakeRoom();
  // Brings memory to what is durable now.
  Committed Apply(StagedCommit staged, const CommitResult& result);
  void Drop(const JournalCommit& commit);

  CommitLog& log_;
  Limits limits_;
  OpenedSession::Surroundings surroundings_;
  BlobKeeper* blobs_;  // or nothing
  Sessions sessions_;
  Router router_;
  EventDecoder decoder_;
  RoutedRuns runs_;
  Unwritten unwritten_;
  std::map<std::string, uint64_t> stored_;  // bytes in the journal, by party
  std::map<int64_t, uint64_t> forget_;
  std::set<int64_t> finished_;
  bool blocked_ = false;
  uint64_t filtered_ = 0;
};

}  // namespace flarebridge
