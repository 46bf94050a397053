// The long-lived process: `flarebridge serve`. It puts together link, intake, journal, workers and
// uploads and runs them on one thread: take what shims sent, store it in one commit, acknowledge,
// feed the workers. Read Prepare() to know what the program is made of, Run() to know what it does.
// Used by `serve`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bridge/blobs/blob_store.h"
#include "bridge/conversations.h"
#include "bridge/intake/intake.h"
#include "bridge/journal/journal.h"
#include "bridge/leaving.h"
#include "bridge/link/link.h"
#include "bridge/process/event_loop.h"
#include "bridge/process/process_watch.h"
#include "bridge/session_processes.h"
#include "bridge/uploads/stop_requests.h"
#include "bridge/uploads/upload_supervisor.h"
#include "bridge/workers/supervisor.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/unique_fd.h"

namespace spdlog {
class logger;
}

namespace flarebridge {

// What `serve` was told, checked.
struct ServeOptions {
  std::string state;  // folder of journal, log and lock; absolute
  LinkSecurity security;
  std::string endpoint;  // empty: no shims are served (--own on what a bridge left behind)
  bool own = false;      // serves one job's process and leaves when the work is done
  pid_t parent = 0;      // the process it serves; 0: none is watched
  std::chrono::seconds finish_timeout{10};  // without progress, after the shims are gone
  std::chrono::seconds upload_timeout{30};  // then uploads go on without the bridge
  std::chrono::seconds session_timeout{60};
  Intake::Limits limits;
  BlobLimits blobs = {};
  Intake::Changes changes;                // of the runs that an earlier bridge has left
  bool require_confinement = false;       // workers whose confinement does not hold do not work
  std::vector<std::string> secrets = {};  // NAME=value, for the uploader's environment alone
};

class Bridge {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Takes the state folder's lock, opens the journal, binds the endpoint. Errors: kBusy (another
  // bridge has the folder), kConfig, kIo, kCorrupt.
  static Expected<std::unique_ptr<Bridge>> Start(const ServeOptions& options,
                                                 std::shared_ptr<spdlog::logger> log);
  ~Bridge();
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // Works until the work is done (own bridge) or a signal asks it to leave. Gives the exit status.
  int Run();

 private:
  // Bytes taken before they are stored; what is behind waits in ZeroMQ and in the shims.
  static constexpr size_t kMostPerCommit = size_t{4} << 20;

  Bridge(const ServeOptions& options, std::shared_ptr<spdlog::logger> log);

  // What the program is made of.
  Expected<void> Prepare();
  Expected<void> TakeLock();
  Expected<void> WatchSignals();
  Expected<void> WatchParent();
  Expected<void> OpenJournal();
  Expected<void> ChangeArguments();
  Expected<void> OpenConversations();
  void MakeSupervisor();
  // What of it is not as it should be, and is lived with.
  void TellOfPlatform();
  void MakeUploader();

  // What it does.
  void GoOnWithKnownRuns(Time now);
  void Receive(Time now);
  void Store(Time now);
  void OnBlocked(const Error& error, Time now);
  void HandOut(const Intake::Committed& committed, Time now);
  // Somebody has asked on a server that what is uploaded there be stopped.
  void OnStopAsked(const UploadTarget& target, const std::string& words);
  // Whose events fill the journal, once per interval while it is full.
  void TellFull(Time now);
  void TellRejections(const std::vector<std::string>& reasons, Time now);
  // How long to sleep if nothing happens.
  std::optional<std::chrono::milliseconds> Patience(std::optional<Time> leaving, Time now) const;
  // There is something to store that is not urgent.
  void StoreSoon(Time now);

  // --- large values (bridge_blobs.cc) ---
  Expected<void> OpenBlobs();
  // Those that events in the journal name.
  void RememberBlobs();
  // Removes now and then what nobody names.
  void TendBlobs(Time now);
  // Every event is in its run.
  void LeaveBlobs(const std::set<std::string>& sessions);

  // --- when it leaves (bridge_leaving.cc) ---
  // Sessions that are silent: open ones are lost, others are forgotten in time.
  void TendSilentSessions(Time now);
  void EndLostSessions(Time now);
  Leaving::Decision DecideToLeave(Time now);
  // Says why it leaves, and clears up.
  void TakeLeave(Leaving::Why why);
  void CleanUp();
  // What a person types to go on with what is left.
  std::string FinishCommand() const;

  ServeOptions options_;
  std::shared_ptr<spdlog::logger> log_;
  FileLock lock_;
  UniqueFd signals_;
  std::optional<ProcessWatch> parent_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<SessionProcesses> processes_;  // of sessions, where no parent is watched
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<BlobStore> blobs_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Conversations> conversations_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<UploadSupervisor> uploader_;
  StopRequests stops_;

  Leaving leaving_;
  Leaving::Seen seen_;
  std::optional<Time> retry_commit_;  // after a failed commit
  std::optional<Time> store_at_;      // when to store although nothing arrived
  std::optional<Time> rejections_told_;
  std::optional<Time> forgot_at_;
  std::optional<Time> full_told_;
  std::optional<Time> swept_at_;
  bool sweeps_blobs_ = true;  // it is known which are named
  uint64_t filtered_ = 0;
};

}  // namespace flarebridge
