// Takes over events from the shims: checks them, decides who wants them and which run they belong
// to, and makes all that arrived durable in one commit, after which it may be acknowledged. Between
// the link (before) and the supervisor (behind). The bridge's one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bridge/intake/router.h"
#include "bridge/journal/journal.h"
#include "events/event_codec.h"
#include "events/link_message.h"
#include "events/run_spec.h"
#include "receivers/filter.h"

namespace flarebridge {

class Intake {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Limits {
    uint64_t journal_bytes = uint64_t{1} << 30;   // stored events beyond which none are taken
    uint64_t session_credit = uint64_t{4} << 20;  // bytes under way per session
    uint64_t total_credit = uint64_t{32} << 20;   // bytes under way of all sessions together
    size_t runs = 1000;                           // each is a process
    size_t sessions = 1000;
    std::string
        clients_folder;  // absolute; runs of clients with keys are in a folder each below it
  };
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
    std::vector<int64_t> dropped_runs;  // that nobody will hear of again
    std::vector<std::string> notices;   // errors that a person should know of
  };

  // Reads what the journal knows of sessions and runs. Errors: kIo, kCorrupt.
  static Expected<std::unique_ptr<Intake>> Load(Journal& journal, const Limits& limits);

  // Runs that the journal knew, for the supervisor to go on with.
  std::vector<RunInfo> KnownRuns() const;

  // --- what shims say; `session` is a session's id ---
  // `client`: whose key it came with, or empty. A session belongs to one. Errors: kUnsupported,
  // kTooLarge, kForbidden.
  Expected<Welcome> Hello(const flarebridge::Hello& hello, const std::string& client, Time now);
  // Takes a batch into memory. A refusal: the session is not known, or the batch does not join.
  std::optional<Refusal> Take(const std::string& session, const Batch& batch, Time now);
  // What a session is told now.
  Ack AckOf(const std::string& session) const;
  void Heard(const std::string& session, Time now);
  void Bye(const std::string& session);

  // --- making it durable ---
  // Bytes that were taken and are not stored yet; the caller stops taking when they are many.
  size_t waiting_bytes() const { return waiting_bytes_; }
  // There is something to commit.
  bool HasWork() const;
  // Of that, something that a shim waits for.
  bool HasEvents() const { return !inbox_.empty(); }
  // No room in the journal: what has been taken waits.
  bool IsFull() const { return journal_.stored_bytes() > limits_.journal_bytes; }
  // Stores everything that was taken, and forgets what receivers have. After an error nothing has
  // changed and everything still waits. Errors: kIo.
  Expected<Committed> Commit();
  // The last commit failed: no credit is given until one succeeds.
  bool blocked() const { return blocked_; }

  // All receivers of the run have its events up to the position on disk.
  void Forget(int64_t run, uint64_t position);
  // The run has ended and its worker has left. The next commit drops it, unless it has gone on; so
  // a shared bridge serves any number of jobs, one after the other.
  void Finished(int64_t run) { finished_.insert(run); }

  // --- sessions' ends ---
  // Ends the runs of the sessions, as failed.
  // `time`: seconds since the epoch.
  void EndLost(const std::vector<std::string>& sessions, const std::string& reason, double time);
  // Open sessions (neither ended nor bye) that have said nothing since `since`.
  std::vector<std::string> SilentSince(Time since) const;
  // Any session that may still send: not bye, and not ended and silent since `since`.
  bool AnyAlive(Time since) const;
  bool AnySession() const { return !sessions_.empty(); }
  // Every session's end is stored and none of them lacks an answer.
  bool AllEnded() const;
  // Sessions that feed a run.
  std::vector<std::string> SessionsOf(int64_t run) const;
  const std::string& SiteOfRun(int64_t run) const { return runs_.at(run).site; }
  uint64_t filtered() const { return filtered_; }

 private:
  // What a SessionOpened event says, parsed once.
  struct Opened {
    std::string bytes;  // the event as it came, and behind it the owner's name
    RunSpec spec;       // its site and start are filled in per run
    Router::Scope scope = 0;
    std::vector<Filter> filters;
  };
  struct SessionState {
    uint64_t last_seq = 0;
    uint64_t rejected = 0;
    bool open = true;
    std::shared_ptr<const Opened> opened;
  };
  struct Session {
    SessionState stored;
    std::optional<SessionState> staged;
    std::string client;         // whose key it came with, or empty
    uint64_t received_seq = 0;  // stored or waiting in the inbox
    Time heard{};
    bool bye = false;
    std::set<int64_t> runs;
  };
  struct Waiting {
    std::string session;
    uint64_t first_seq = 0;
    uint32_t count = 0;
    std::string body;
    std::string end_reason = {};  // instead of a batch: the session is lost
    double end_time = 0;
  };
  struct Run {
    std::string site;
    std::shared_ptr<const Opened> opened;
    double started = 0;
    uint64_t last_position = 0;
    bool ended = false;
  };
  // One commit's changes, thrown away if it fails.
  struct Stage {
    struct NewSlice {
      std::string body;
      uint32_t count = 0;
      bool ends = false;
    };
    std::map<int64_t, std::vector<NewSlice>> slices;
    std::map<int64_t, Run> new_runs;
    std::vector<std::pair<std::string, int64_t>> new_feeds;
    std::set<std::string> sessions;
    std::vector<std::string> dropped_sessions;
    std::vector<std::string> notices;
    uint64_t filtered = 0;
  };

  Intake(Journal& journal, const Limits& limits) : journal_(journal), limits_(limits) {}

  // `bytes`: the event, and behind it the owner's name.
  Expected<std::shared_ptr<const Opened>> ParseOpened(std::string_view bytes);
  RunInfo InfoOf(int64_t id, const Run& run) const;
  uint64_t Credit() const;
  SessionState& StagedStateOf(const std::string& id);
  const Run& RunOf(int64_t id) const;

  void StageWaiting(const Waiting& waiting);
  // Puts one event where it belongs. Errors: why it is rejected.
  Expected<void> Place(const std::string& session, const Event& event, std::string_view bytes);
  Expected<void> PlaceOpened(const std::string& session, std::string_view bytes);
  void PlaceEnded(const std::string& session, const SessionEnded& event);
  Expected<int64_t> EnsureRun(const std::string& session, const Event& event);
  void AppendTo(int64_t run, std::string_view bytes, bool ends);
  std::vector<Slice> StoreStage();
  // Sessions and runs that are over leave the journal with this commit ...
  void StageDrops(Committed& committed);
  // ... and memory after it.
  void Drop(const std::vector<int64_t>& runs);
  bool IsOver(const std::string& id, const Session& session) const;
  void Unstage();
  void Note(const std::string& reason);

  Journal& journal_;
  Limits limits_;
  Router router_;
  EventDecoder decoder_;
  std::map<std::string, Session> sessions_;
  std::map<int64_t, Run> runs_;
  std::vector<Waiting> inbox_;
  size_t waiting_bytes_ = 0;
  std::map<int64_t, uint64_t> forget_;
  std::set<int64_t> finished_;
  Stage stage_;
  bool blocked_ = false;
  uint64_t filtered_ = 0;
};

}  // namespace flarebridge
