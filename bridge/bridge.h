// The long-lived process: `flarebridge serve`. It puts together link, intake, journal and
// supervisor and runs them on one thread: take what shims sent, store it in one commit,
// acknowledge, feed the workers. Read Run() from top to bottom to know what the program does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/intake/intake.h"
#include "bridge/journal/journal.h"
#include "bridge/link/link.h"
#include "bridge/process/event_loop.h"
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
  std::string endpoint;  // empty: no shims are served (--until-done on what a bridge left behind)
  bool own = false;      // serves one job's process and leaves when the work is done
  pid_t parent = 0;      // the process it serves; 0: none is watched
  std::chrono::seconds finish_timeout{10};  // without progress, after the shims are gone
  std::chrono::seconds upload_timeout{30};  // then uploads go on without the bridge
  std::chrono::seconds session_timeout{60};
  Intake::Limits limits;
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
  Bridge(const ServeOptions& options, std::shared_ptr<spdlog::logger> log)
      : options_(options), log_(std::move(log)) {}

  Expected<void> Prepare();
  Expected<void> TakeLock();
  Expected<void> WatchSignals();
  Expected<void> WatchParent();
  void GoOnWithKnownRuns(Time now);

  void ReceiveAll(Time now);
  void Handle(const Link::Incoming& incoming, Time now);
  void HandleMessage(const Link::Peer& peer, const std::string& client, const ShimMessage& message,
                     Time now);
  void Store(Time now);
  void TellRejections(const std::vector<std::string>& reasons, Time now);
  void EndLostSessions(Time now);
  // Sends to a session if it is connected.
  void Tell(const std::string& session, const BridgeMessage& message);
  // To a person: in the log and in every training process's.
  void TellAll(const Notice& notice);
  void TellRun(int64_t run, NoticeLevel level, const std::string& text);

  // Nobody can send anything any more.
  bool ShimsAreGone(Time now) const;
  // The exit status, once it is time to leave.
  std::optional<int> LeaveStatus(Time now);
  // All runs are written: waits for their uploads as long as it may. True: it is time to leave.
  bool UploadsAreSettled(Time now);
  std::optional<std::chrono::milliseconds> Patience(Time now) const;
  void CleanUp();

  ServeOptions options_;
  std::shared_ptr<spdlog::logger> log_;
  FileLock lock_;
  UniqueFd signals_;
  UniqueFd parent_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<UploadSupervisor> uploader_;

  std::map<Link::Peer, std::string> session_of_peer_;
  std::map<std::string, Link::Peer> peer_of_session_;
  Time started_{};
  Time last_input_{};
  std::optional<Time> retry_commit_;     // after a failed commit
  std::optional<Time> forget_at_;        // when to forget although nothing arrived
  std::optional<Time> finish_deadline_;  // set when the shims are gone
  std::optional<Time> upload_deadline_;  // set when all runs are written
  std::optional<Time> rejections_told_;
  uint64_t filtered_ = 0;
  bool served_ = false;  // somebody has said hello
  bool parent_gone_ = false;
  bool asked_to_leave_ = false;
  std::optional<Time> blocked_since_;  // the journal can't be written
};

}  // namespace flarebridge
