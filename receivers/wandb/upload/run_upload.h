// Uploads one run log to W&B: the run, its lines, its files, its end. It follows a log that grows,
// goes on where an earlier upload stopped, whatever stopped it, and sends the same lines to the
// same places, so that nothing is there twice. Decides what to do next and what an answer means;
// the parts are rooms of their own. Made by uploads.cc, driven by a pool; one thread at a time.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/clock.h"
#include "events/error.h"
#include "receivers/files/file_lock.h"
#include "receivers/upload/http_transport.h"
#include "receivers/upload/rate_limit.h"
#include "receivers/upload/retry_policy.h"
#include "receivers/upload/upload.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/artifact_uploads.h"
#include "receivers/wandb/upload/file_uploads.h"
#include "receivers/wandb/upload/followed_run.h"
#include "receivers/wandb/upload/known_logs.h"
#include "receivers/wandb/upload/logs_beside.h"
#include "receivers/wandb/upload/parts.h"
#include "receivers/wandb/upload/row_count.h"
#include "receivers/wandb/upload/run_claim.h"
#include "receivers/wandb/upload/run_fields.h"
#include "receivers/wandb/upload/stream_pace.h"
#include "receivers/wandb/upload/summary_updates.h"
#include "receivers/wandb/upload/upload_choices.h"
#include "receivers/wandb/upload/upload_notes.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

// What all uploads of a process share.
struct UploadService {
  Account account;
  UploadChoices choices{};
  // How the server takes console lines, once one of the uploads has asked.
  enum class Console : uint8_t { kUnknown, kPlain, kStructured };
  std::atomic<Console> console{Console::kUnknown};
  KnownLogs known{};
  LogsBeside beside{};
  std::function<Clock::time_point()> now = Clock::now;
  RateLimit limit{};
  // How many uploads more may hold the lines of a full request: at first as many as requests are
  // made at once. All others hold a few lines.
  std::atomic<int> room = 8;
  // What a person should know besides; may be empty. From any of the uploads' threads.
  std::function<void(const std::string& words)> warn{};
  NotesTold notes_told{};
};

class RunUpload : public Upload {
 public:
  // The service outlives this.
  RunUpload(UploadService& service, std::filesystem::path log, const UploadOptions& options);
  ~RunUpload() override;

  Expected<Turn> Step(HttpTransport& http) override;
  void StopFollowing() override { options_.follow = false; }

  const std::filesystem::path& earlier_part() const override { return earlier_.unfinished; }
  const UploadOptions& options() const override { return options_; }
  const std::filesystem::path& path() const override { return log_; }
  // Of the run's folder.
  std::string name() const override { return log_.parent_path().filename().string(); }
  bool created() const override { return run_version_.has_value(); }
  Progress progress() const override;
  UploadReport report() const override;

 private:
  enum class Task {
    kNone,
    kLook,
    kAskFeatures,
    kCreate,
    kFiles,
    kArtifacts,
    kLines,
    kAlert,
    kAlive,
    kCount,
    kEnd
  };
  static const char* NameOf(Task task);

  // Takes the run's folder and what is noted of earlier uploads. Errors: kIo, kBusy.
  Expected<void> Open();
  Expected<void> ReadLog(Time now);
  // All is sent anew, but for what is confirmed.
  void Restart();
  // The log's run, where it is to be uploaded.
  RunRecord Target() const;
  PartsSearch Search() const;
  // The state tells of that run, and where its lines begin.
  bool StateIsOf(const RunRecord& run) const;
  FollowedRun::Form Form() const { return {state_.first_step, structured_console_}; }
  // The server's form of console lines has become known: those that were read are made anew.
  void UseConsoleForm();
  // The other parts of the run, before anything is sent. True: they are there.
  Expected<bool> LookAtParts(Time now);

  // What to do now, or kNone and in next_ when to look again: what has failed, when its time has
  // come, and files meanwhile; else what the log asks for.
  Expected<Task> NextTask(Time now);
  Expected<Task> ReadAndChoose(Time now);
  Task Choose(Time now);
  // The same once all lines are there.
  Task ChooseFinal(Time now);
  // Nothing is to be done before the log goes on, but for signs of life.
  bool IsQuiet(Time now) const;
  Task ChooseFiles(bool at_once, Time now);
  // The log is there to its end: the files that tell all of the run.
  void WantLastFiles(Time now);
  // Files beside the steps: those that are due begin their way, and what came of others is taken.
  void SendFiles(Time now);
  void SendArtifacts(Time now);
  Expected<void> CollectFiles(Time now);
  void HeedAnswers(const std::vector<Attempt>& questions, Time now);
  // Bytes of lines. A few are read ahead; those of a full request when they can go, if there is
  // room.
  size_t MostToRead(Time now);
  void GiveRoom();
  bool SummaryIsDue(Task task, Time now) const;
  bool PreemptingIsDue() const { return run_.view().preempting() && !preempting_told_; }

  // Makes one request, if the limit allows one now, and settles what became of it. Errors: nothing
  // more will become of this upload.
  Expected<void> Carry(Task task, HttpTransport& http, Time now);
  Attempt Perform(Task task, Api& api, Time now);
  Attempt Stream(Task task, Api& api, Time now);
  // The request was answered well.
  Expected<void> Settle(Task task, Time now);
  Expected<void> SettleLook(Time now);
  // Of a resumed part behind the lines that are there; nothing: its steps are its own.
  std::optional<int64_t> FirstStep() const;
  void CountOn(std::optional<int64_t> first_step);
  Expected<void> SettleRun(Time now);
  // What was confirmed, was so of another run, if of any.
  void ForgetConfirmed();
  void SettleLines(Time now);
  void SettleCount(Time now);
  // It was not.
  Expected<void> SettleFailure(Task task, const Attempt& attempt, Time now);
  // Before an alert is sent. False: it can't be noted for now, and is not sent.
  bool NoteAlert(Time now);
  // The run can't be made under its id.
  bool IdIsGone(Task task, const Attempt& attempt);
  void Finish();
  std::string PageUrl() const;
  // What the run was asked, while there is something to stop.
  std::string StopWords() const;
  // False: nothing could be noted, which is told. The upload goes on all the same: a later one asks
  // the server.
  bool SaveState();
  uint64_t RowsThere() const {
    return (state_.base ? RowsIn(*state_.base) : 0) + RowsIn(state_.lines);
  }

  UploadService& service_;
  const std::filesystem::path log_;
  UploadOptions options_;

  FileLock lock_;  // of the run's folder: one upload at a time
  FollowedRun run_;
  uint64_t seen_bytes_ = 0;  // of the log, before it was read last
  EarlierParts earlier_;
  RunAddress address_;
  UploadNotes notes_;
  UploadState state_;
  FileUploads files_;
  ArtifactUploads artifacts_;
  SummaryUpdates summary_;
  StreamPace pace_;
  RowCount count_;
  uint64_t counted_ = 0;  // by the server, as it has just said

  RunClaim claim_;
  bool claimed_ = false;  // it is known where this log's lines begin
  bool looked_ = false;   // the server has said what it has, or can't before the run is made
  RunThere there_;
  bool inserted_ = false;  // the server has made the run, as it has just said

  std::optional<uint64_t> run_version_;  // that the server has; nothing: no run is created yet
  SentFields sending_;                   // with the request that is made
  Time run_due_{};
  bool wanted_last_files_ = false;
  bool preempting_told_ = false;
  bool stop_asked_ = false;                    // by somebody, at the run's page
  bool structured_console_ = false;            // what was read is in that form
  std::optional<std::string> earlier_config_;  // what the server has of a resumed run's parts
  bool alert_noted_ = false;                   // the one that is being sent
  Time alert_due_{};                           // later, after one that could not be noted
  uint64_t alerts_lost_ = 0;                   // that were sent, and no answer confirmed

  Task task_ = Task::kNone;  // to be made again
  Time again_{};             // when
  Retries retries_;
  unsigned conflicts_ = 0;  // answers that the run can't be made
  bool has_room_ = false;
  std::vector<std::shared_ptr<Errand>> errands_;  // that this step has made
  Time next_{};
  std::optional<Time> if_quiet_;  // the same if the log does not go on
  std::string waiting_;
  bool done_ = false;
};

}  // namespace flarebridge::wandb
