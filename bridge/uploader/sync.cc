#include "bridge/uploader/sync.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "bridge/commands/amounts.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/secrets.h"
#include "bridge/uploader/dry_run.h"
#include "bridge/uploader/found_runs.h"
#include "bridge/uploader/sync_screen.h"
#include "events/mutex.h"
#include "events/printable.h"
#include "receivers/files/file_info.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/known_logs.h"
#include "receivers/wandb/upload/parts.h"
#include "receivers/wandb/upload/upload_notes.h"
#include "receivers/wandb/upload/uploads.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// How often folders are searched for new runs, and failed ones are tried again (--watch).
constexpr seconds kScanInterval{2};
constexpr seconds kAgain{10};
constexpr milliseconds kLook{100};
// Logs of more than that are not read once more to say how many rows they have.
constexpr uint64_t kMostToCount = uint64_t{256} << 20;

// Set by a signal.
std::atomic<bool> interrupted = false;

uint64_t SizeOf(const fs::path& log) {
  const Expected<FileInfo> info = InfoOf(log);
  return info ? info->size : 0;
}

uint64_t SizeOf(const std::vector<fs::path>& logs) {
  uint64_t bytes = 0;
  for (const fs::path& log : logs) bytes += SizeOf(log);
  return bytes;
}

// The same command may have more success later.
bool MayPass(const Error& error) {
  return error.code == ErrorCode::kIo || error.code == ErrorCode::kBusy ||
         error.code == ErrorCode::kTemporary;
}

class Syncing {
 public:
  Syncing(const SyncArguments& arguments, const FoundRuns& found)
      : arguments_(arguments),
        found_(found),
        screen_(arguments.watch ? std::nullopt : std::optional(found.logs.size()),
                arguments.watch ? 0 : SizeOf(found.logs), arguments.retry_for) {}

  // Gives the exit status.
  int Run(const wandb::Account& account, wandb::UploadChoices choices) {
    // All are known before one begins: parts of one run may lie anywhere among them.
    notes_ = choices.notes;
    choices.known = found_.LeftOutFor(kUploadedAlready);
    choices.known.insert(choices.known.end(), found_.logs.begin(), found_.logs.end());
    if (!arguments_.watch) choices.to_upload = found_.logs;
    Expected<std::unique_ptr<UploadPool>> pool =
        wandb::StartUploads(account, choices, static_cast<size_t>(arguments_.jobs), Callbacks());
    if (!pool) {
      screen_.Complain(pool.error().message);
      return kExitInternal;
    }
    if (arguments_.watch) SayWhatIsWatched(account);
    AddAll(**pool, found_);
    std::thread counting([this] { CountRows(); });
    Follow(**pool);
    (*pool)->Stop();
    const size_t active = (*pool)->active();
    pool->reset();  // no more callbacks
    counting.join();
    return Conclude(active);
  }

 private:
  // What is known of a log that was added.
  struct Known {
    // kIncomplete: but nothing more can be done about it.
    enum class State { kActive, kDone, kIncomplete, kFailed, kPassing };
    State state = State::kActive;
    steady_clock::time_point again{};  // kPassing
    uint64_t size = 0;                 // when it was uploaded
  };

  void SayWhatIsWatched(const wandb::Account& account) {
    std::string paths;
    for (const std::string& path : arguments_.paths) paths += (paths.empty() ? "" : ", ") + path;
    screen_.Say("watching " + paths + " for runs, which go to " + account.base_url +
                "; Ctrl-C ends it");
  }

  void Follow(UploadPool& pool) {
    auto scan = steady_clock::now() + kScanInterval;
    while (!interrupted) {
      const bool idle = pool.WaitFor(kLook);
      if (idle && !arguments_.watch) return;
      screen_.Tick();
      if (idle) std::this_thread::sleep_for(kLook);
      if (!arguments_.watch || steady_clock::now() < scan) continue;
      scan = steady_clock::now() + kScanInterval;
      if (const Expected<FoundRuns> found = FindRuns(arguments_, notes_); found)
        AddAll(pool, *found);
    }
  }

  void AddAll(UploadPool& pool, const FoundRuns& found) {
    for (const fs::path& log : found.logs) Add(pool, log);
    for (const fs::path& log : found.LeftOutFor(kOnline)) {
      if (named_.insert(log).second) screen_.Complain(WordsOfOnline(log));
    }
  }

  void Add(UploadPool& pool, const fs::path& given) {
    // As earlier parts of runs are found, so that none is there by two names.
    const fs::path log = wandb::PlainPath(given);
    {
      const MutexLock lock(mutex_);
      const auto known = known_.find(log);
      if (known != known_.end() && !IsToBeTakenAgain(log, known->second)) return;
    }
    UploadOptions options;
    options.retry_for = seconds(arguments_.retry_for);
    options.follow = arguments_.watch;
    options.again = arguments_.again;
    const MutexLock lock(mutex_);
    if (!pool.Add(log, options)) return;  // it is just ending; the next search finds it again
    const bool first = known_.insert_or_assign(log, Known()).second;
    if (arguments_.watch)
      screen_.Say(FolderName(log) + (first ? ": taken" : ": taken again") + ", " +
                  BytesInWords(static_cast<double>(SizeOf(log))));
  }

  // After an outage, or because its run has gone on behind its end. What was refused would be
  // refused again.
  static bool IsToBeTakenAgain(const fs::path& log, const Known& known) {
    switch (known.state) {
      case Known::State::kPassing:
        return steady_clock::now() >= known.again;
      case Known::State::kDone:
      case Known::State::kIncomplete:
        return SizeOf(log) != known.size;
      default:
        return false;
    }
  }

  UploadPool::Callbacks Callbacks() {
    UploadPool::Callbacks callbacks;
    callbacks.warn = [this](const std::string& words) { screen_.Complain(words); };
    callbacks.progress = [this](const Upload& upload) {
      const Upload::Progress progress = upload.progress();
      screen_.Progress(upload.path(),
                       {progress.rows, progress.confirmed_bytes + progress.content_there,
                        progress.content_bytes, !progress.waiting.empty()},
                       progress.waiting);
      if (!progress.stop.empty() && stops_.insert(upload.path()).second)
        screen_.Say(upload.name() + " was " + progress.stop +
                    "; the training hears nothing of it from here");
    };
    callbacks.done = [this](const Upload& upload) { OnDone(upload); };
    callbacks.failed = [this](const Upload& upload, const Error& error) {
      OnFailed(upload, error);
    };
    return callbacks;
  }

  void OnDone(const Upload& upload) {
    const UploadReport report = upload.report();
    const bool whole = report.left_out.empty();
    {
      const MutexLock lock(mutex_);
      // As it was read, not as it is: it may have grown since.
      if (!report.group_url.empty()) groups_.insert(report.group_url);
      known_[upload.path()] = {
          whole ? Known::State::kDone : Known::State::kIncomplete, {}, upload.progress().bytes};
    }
    screen_.Done(upload.path(), whole);
    std::string line = report.name.empty() ? "" : report.name + ", ";
    line += upload.name() + ": " + Counted(report.rows, "row");
    if (report.verified) line += ", counted by the server";
    if (!report.ended) line += ", without an end: the run goes on, or its process was killed";
    screen_.Say(line + ", " + report.url);
    for (const auto* left : {&report.left_out, &report.no_place}) {
      for (const std::string& what : *left)
        screen_.Complain(upload.name() + ": not uploaded: " + what);
    }
  }

  void OnFailed(const Upload& upload, const Error& error) {
    const bool passing = MayPass(error);
    {
      const MutexLock lock(mutex_);
      known_[upload.path()] = {passing ? Known::State::kPassing : Known::State::kFailed,
                               steady_clock::now() + kAgain, 0};
    }
    screen_.Done(upload.path(), false);
    screen_.Complain(upload.name() + ": " + error.message +
                     (passing && arguments_.watch ? "; it is taken up again" : ""));
  }

  // How many rows there are, while they are on their way.
  void CountRows() {
    if (arguments_.watch || SizeOf(found_.logs) > kMostToCount) return;
    uint64_t rows = 0;
    for (const fs::path& log : found_.logs) {
      if (interrupted) return;
      if (const auto lines = wandb::CountLines(log)) rows += wandb::RowsIn(*lines);
    }
    screen_.SetAllRows(rows);
  }

  int Conclude(size_t active) {
    const MutexLock lock(mutex_);
    size_t passing = 0, failed = 0, incomplete = 0;
    for (const auto& [log, known] : known_) {
      if (known.state == Known::State::kIncomplete) ++incomplete;
      if (known.state == Known::State::kPassing) ++passing;
      if (known.state == Known::State::kFailed) ++failed;
    }
    std::string line = Counted(screen_.done_runs(), "run");
    if (!arguments_.watch && screen_.done_runs() < found_.logs.size())
      line = Grouped(screen_.done_runs()) + " of " + Counted(found_.logs.size(), "run");
    line += ", " + Counted(screen_.rows(), "row") + ", " + SecondsInWords(screen_.seconds());
    if (!found_.left_out.empty() && !arguments_.watch) {
      line += ", " + Grouped(found_.left_out.size()) + " left out: " + found_.LeftOutInWords();
    }
    for (const std::string& group : groups_) screen_.Say("View group at " + group);
    screen_.Say((interrupted ? "stopped: " : "") + line);
    if (incomplete > 0) {
      screen_.Complain(Counted(incomplete, "run") + (incomplete == 1 ? " is" : " are") +
                       " on the server but for what is named above, and not marked as uploaded");
    }
    const size_t open = failed + passing + active;
    if (open == 0) return incomplete == 0 ? kExitOk : kExitIncomplete;
    const bool helps = passing + active > 0;
    screen_.Complain(Counted(open, "run") + (open == 1 ? " is" : " are") +
                     " not wholly on the server; " +
                     (helps ? "run the same command again to go on"
                            : "what is named above has to be mended first"));
    return arguments_.watch && failed + incomplete == 0 ? kExitOk : kExitIncomplete;
  }

  const SyncArguments& arguments_;
  const FoundRuns& found_;
  fs::path notes_;
  SyncScreen screen_;
  Mutex mutex_;
  std::map<fs::path, Known> known_ GUARDED_BY(mutex_);
  std::set<fs::path> named_;  // runs that are left alone
  std::set<fs::path> stops_;  // runs that were asked to stop, as was told; for callbacks alone
  std::set<std::string> groups_ GUARDED_BY(mutex_);  // pages of those that runs are of
};

int Complain(const Error& error) {
  std::cerr << "flarebridge: " << Printable(error.message) << "\n";
  return error.code == ErrorCode::kConfig ? kExitConfig : kExitNoInput;
}

Expected<wandb::UploadChoices> ChoicesOf(const SyncArguments& arguments) {
  Expected<std::map<std::string, std::string>> tags = wandb::ParseTags(arguments.replace_tags);
  if (!tags) return Propagate(tags);
  wandb::UploadChoices choices;
  choices.entity = arguments.entity;
  choices.project = arguments.project;
  choices.run_id = arguments.id;
  choices.job_type = arguments.job_type;
  choices.tags = std::move(*tags);
  choices.include_online = arguments.include_online;
  choices.follow_links = arguments.follow_links;
  choices.notes =
      arguments.notes.empty() ? wandb::NotesFolder(FromEnvironment) : fs::absolute(arguments.notes);
  return choices;
}

// There is nothing to upload. Gives the exit status.
int SayNothingToDo(const FoundRuns& found) {
  for (const fs::path& log : found.LeftOutFor(kOnline))
    std::cerr << "flarebridge: " << Printable(WordsOfOnline(log)) << "\n";
  const size_t count = found.left_out.size();
  const bool all_uploaded = found.LeftOutInWords() == Grouped(count) + " " + kUploadedAlready;
  if (count == 0) {
    std::cout << "no run there\n";
  } else if (all_uploaded) {
    std::cout << "every run there is uploaded already (" << count << ")\n";
  } else {
    std::cout << "nothing to upload: " << found.LeftOutInWords() << "\n";
  }
  return count > 0 ? kExitOk : kExitNoInput;
}

}  // namespace

int Sync(const SyncArguments& arguments) {
  const Expected<wandb::UploadChoices> choices = ChoicesOf(arguments);
  if (!choices) return Complain(choices.error());
  const Expected<FoundRuns> found = FindRuns(arguments, choices->notes);
  if (!found) return Complain(found.error());
  if (arguments.dry_run) return DryRun(*found, *choices);
  if (found->logs.empty() && !arguments.watch) return SayNothingToDo(*found);
  KeepSecrets();
  const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
  if (!account) return Complain(account.error());
  for (const std::string& words : account->warnings)
    std::cerr << "flarebridge: warning: " << Printable(words) << "\n";
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, [](int) { interrupted = true; });
  signal(SIGTERM, [](int) { interrupted = true; });
  return Syncing(arguments, *found).Run(*account, *choices);
}

}  // namespace flarebridge
