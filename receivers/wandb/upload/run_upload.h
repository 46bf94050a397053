// Uploads one run log to W&B: the run, its lines, its files, its end. It follows a log that grows,
// goes on where an earlier upload stopped, whatever stopped it, and sends the same lines to the
// same places, so that nothing is there twice. A machine of steps, each of which reads what is new
// and makes one request at most: many runs share a few threads. One thread at a time.
#pragma once

#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/http_client.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "receivers/wandb/upload/log_follower.h"
#include "receivers/wandb/upload/rate_limit.h"
#include "receivers/wandb/upload/run_view.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

struct UploadOptions {
  // How long one request that fails is tried again.
  std::chrono::seconds retry_for{600};
  // Waits for more of a log that has no end yet, and keeps its run alive on the server meanwhile.
  bool follow = false;
  // Sends all lines again, to the same places.
  bool again = false;
  // In place of what the log says, if not empty.
  std::string entity, project;
};

struct UploadReport {
  std::string url;  // of the run in the browser, as W&B's own server has it
  uint64_t rows = 0;
  bool ended = false;                 // with its end; else it may still go on
  bool verified = false;              // the server has said that it holds as many rows
  std::vector<std::string> left_out;  // what is in the log and not on the server, in words
};

class RunUpload {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Turn {
    bool done = false;  // all of the log is on the server; report() tells
    Time next{};        // else: when to call Step() again
  };
  struct Progress {
    uint64_t rows = 0;                   // on the server
    uint64_t read_bytes = 0, bytes = 0;  // of the log: read until now, and in all
    std::string waiting;                 // for what, or empty
  };

  RunUpload(const Account& account, RateLimit& limit, std::filesystem::path log,
            const UploadOptions& options);
  ~RunUpload();

  // Errors: kIo (the log, or no answer for too long), kMalformed (not a run log), kForbidden (the
  // server refuses), kBusy (stopped, or another process uploads this log). What was confirmed until
  // then stays so; none of them is worth another Step().
  Expected<Turn> Step(HttpClient& http);

  // Nobody writes the log any more: what is there is uploaded, and no more is waited for.
  void StopFollowing() { options_.follow = false; }

  // The log of an earlier part of the run which has to be uploaded before this one goes on, or
  // empty.
  const std::filesystem::path& earlier_part() const { return earlier_part_; }
  const UploadOptions& options() const { return options_; }
  const std::filesystem::path& log() const { return log_; }
  // For a person: of the run's folder.
  std::string name() const { return log_.parent_path().filename().string(); }
  // The server knows the run; report().url is where.
  bool created() const { return run_version_.has_value(); }
  Progress progress() const;
  UploadReport report() const;

 private:
  enum class Task { kNone, kCreate, kAskFiles, kPutFile, kLines, kAlive, kCount, kEnd };
  struct PendingFile {
    std::string name;
    std::optional<std::string> content;  // made here; else it is read from files/
    uint64_t size = 0;
    uint64_t stamp = 0;  // changes with the content
  };

  Expected<void> Open();
  // The lines of earlier parts of the run, which come before this log's. False: they are not all
  // on the server yet.
  Expected<bool> FindBase();
  Expected<void> ReadLog(Time now);
  // Reads the log anew from its beginning; what is confirmed is not sent again.
  void Restart();
  bool IsAlive(Time now) const;
  void Want(const std::string& name, std::optional<std::string> content);
  // Takes a file's size and stamp anew from the folder. False: it is not there.
  bool Look(PendingFile& file) const;

  // What to do now, or kNone and in next_ when to look again.
  Task Choose(Time now);
  std::optional<Task> ChooseFinal(Time now);
  Attempt Perform(Task task, Api& api);
  bool SummaryIsDue(Task task) const;
  std::string Summary();
  Attempt AskFiles(Api& api);
  Attempt PutFile(Api& api);
  // The request was answered well.
  Expected<void> Settle(Task task, Time now);
  Expected<void> SettleRun(Time now);
  void SettleCount(Time now);
  // It was not. Errors: it will never be.
  Expected<void> Fail(Task task, const Attempt& attempt, Time now);
  // True: the file is done with in another way, and nothing has failed.
  bool FailedToPut(const Attempt& attempt);
  Expected<void> Finish();
  void NextStreamAt(Time now, bool full);
  Expected<void> SaveState() const { return WriteState(log_, state_); }

  const Account& account_;
  RateLimit& limit_;
  std::filesystem::path log_;
  UploadOptions options_;

  int lock_ = -1;  // of the run's folder: one upload at a time
  std::unique_ptr<LogFollower> follower_;
  LogFollower::End log_end_ = LogFollower::End::kMore;
  RunView view_;
  LineBuffer lines_;
  std::filesystem::path earlier_part_;
  std::map<std::string, uint64_t> base_;
  UploadState state_;
  RunAddress address_;

  // What the server has been told.
  std::optional<uint64_t> run_version_;  // nothing: the run is not created yet
  uint64_t summary_version_ = 0;
  Time summary_due_{};
  uint64_t sent_summary_ = 0;       // the version that the request at work carries
  std::deque<PendingFile> wanted_;  // no address asked for yet
  std::deque<std::pair<PendingFile, Api::Upload>> addressed_;
  std::set<std::string> missing_;  // files that the log names and the folder lacks

  // When what may be done.
  Time next_{};
  Time grown_{};         // the log has grown last
  Time wanted_since_{};  // a file waits
  bool slowed_ = false;  // the server has said that it is asked too often
  Time run_due_{}, stream_due_{}, end_due_{}, alive_due_{}, count_due_{};
  std::optional<Time> count_deadline_;
  double credit_ = 0;  // requests that may follow each other at once
  Time credit_at_{};

  // The server's count of rows.
  uint64_t counted_ = 0;

  // A request that failed.
  Task task_ = Task::kNone;
  unsigned tries_ = 0;
  unsigned renewals_ = 0;  // of a signed address
  Time failing_since_{};
  std::string waiting_;

  // Where it stands. (Together, so that they take little room.)
  bool replaced_ = false;    // the log's end was replaced, and it has been read anew
  bool superseded_ = false;  // the run goes on in a later log
  bool summary_too_long_ = false;
  bool made_files_ = false;  // are wanted or uploaded
  bool done_ = false;
  bool count_settled_ = false;  // equal, or it can't be had
  bool verified_ = false;
  bool sent_again_ = false;
};

}  // namespace flarebridge::wandb
