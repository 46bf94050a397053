#include "bridge/uploader/sync.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <set>

#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/secrets.h"
#include "bridge/uploader/sync_screen.h"
#include "events/printable.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/known_logs.h"
#include "receivers/wandb/upload/uploads.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How often folders are searched for new runs (--watch).
constexpr std::chrono::seconds kScanInterval{2};
constexpr milliseconds kLook{100};

// Set by a signal.
std::atomic<bool> interrupted = false;

bool IsSynced(const fs::path& log) {
  std::error_code ignored;
  return fs::exists(log.string() + ".synced", ignored);
}

struct Found {
  std::vector<fs::path> logs;    // to be uploaded
  std::vector<fs::path> synced;  // that are on the server
  std::vector<fs::path> online;  // that W&B's own client uploads
};

void AddOnce(const fs::path& log, std::vector<fs::path>& to) {
  if (std::find(to.begin(), to.end(), log) == to.end()) to.push_back(log);
}

Expected<Found> FindAll(const SyncArguments& arguments) {
  Found all;
  for (const std::string& path : arguments.paths) {
    const auto found = wandb::FindLogs(path);
    if (!found) return Propagate(found);
    for (const fs::path& log : *found) {
      if (IsSynced(log) && !arguments.again) {
        AddOnce(log, all.synced);
      } else if (!arguments.include_online && wandb::IsUploadedByItsWriter(log)) {
        AddOnce(log, all.online);
      } else {
        AddOnce(log, all.logs);
      }
    }
  }
  return all;
}

// Each once.
void NameOnline(const std::vector<fs::path>& logs, std::set<fs::path>& named) {
  for (const fs::path& log : logs) {
    if (!named.insert(log).second) continue;
    std::cerr << "flarebridge: "
              << Printable(log.parent_path().filename().string() +
                           ": left alone, for W&B's own client uploads it while it is written; "
                           "--include-online takes it")
              << std::endl;
  }
}

class Uploads {
 public:
  Uploads(const SyncArguments& arguments, size_t runs)
      : arguments_(arguments), screen_(arguments.watch ? 0 : runs) {}

  // Gives the exit status.
  int Run(const wandb::Account& account, const Found& first) {
    wandb::UploadChoices choices;
    choices.entity = arguments_.entity;
    choices.project = arguments_.project;
    choices.include_online = arguments_.include_online;
    choices.follow_links = arguments_.follow_links;
    // All are known before one begins: parts of one run may lie anywhere among them.
    choices.known = first.logs;
    choices.known.insert(choices.known.end(), first.synced.begin(), first.synced.end());
    if (!arguments_.watch) choices.to_upload = first.logs;
    Expected<std::unique_ptr<UploadPool>> pool =
        wandb::StartUploads(account, choices, static_cast<size_t>(arguments_.jobs), Callbacks());
    if (!pool) {
      screen_.Complain(pool.error().message);
      return kExitInternal;
    }
    for (const fs::path& log : first.logs) Add(**pool, log);
    NameOnline(first.online, named_);
    auto scan = steady_clock::now() + kScanInterval;
    while (!interrupted) {
      const bool idle = (*pool)->WaitFor(kLook);
      if (idle && !arguments_.watch) break;
      if (idle) std::this_thread::sleep_for(kLook);
      if (!arguments_.watch || steady_clock::now() < scan) continue;
      scan = steady_clock::now() + kScanInterval;
      if (const Expected<Found> found = FindAll(arguments_); found) {
        for (const fs::path& log : found->logs) Add(**pool, log);
        NameOnline(found->online, named_);
      }
    }
    (*pool)->Stop();
    const size_t active = arguments_.watch ? 0 : (*pool)->active();
    const size_t open = failed_ + active;
    if (open > 0)
      screen_.Complain(std::to_string(open) + (open == 1 ? " run is" : " runs are") +
                       " not wholly on the server; run the same command again to go on");
    if (incomplete_ > 0)
      screen_.Complain(std::to_string(incomplete_) + (incomplete_ == 1 ? " run is" : " runs are") +
                       " on the server but for what is named above, and not marked as uploaded");
    return open + incomplete_ == 0 ? kExitOk : kExitIncomplete;
  }

 private:
  void Add(UploadPool& pool, const fs::path& given) {
    // As earlier parts of runs are found, so that none is there by two names.
    const fs::path log = wandb::PlainPath(given);
    // One that was refused would be refused again.
    if (!added_.insert(log).second) return;
    UploadOptions options;
    options.retry_for = std::chrono::seconds(arguments_.retry_for);
    options.follow = arguments_.watch;
    options.again = arguments_.again;
    pool.Add(log, options);
  }

  UploadPool::Callbacks Callbacks() {
    UploadPool::Callbacks callbacks;
    callbacks.progress = [this](const Upload& upload) {
      const Upload::Progress progress = upload.progress();
      const double part = progress.bytes == 0 ? 0
                                              : static_cast<double>(progress.read_bytes) /
                                                    static_cast<double>(progress.bytes);
      screen_.Progress(upload.name(), progress.rows, part, progress.waiting);
    };
    callbacks.done = [this](const Upload& upload) { OnDone(upload); };
    callbacks.failed = [this](const Upload& upload, const Error& error) {
      ++failed_;
      screen_.Done(upload.name());
      screen_.Complain(upload.name() + ": " + error.message);
    };
    return callbacks;
  }

  void OnDone(const Upload& upload) {
    const UploadReport report = upload.report();
    screen_.Done(upload.name());
    std::string line = upload.name() + ": " + std::to_string(report.rows) + " rows";
    if (report.verified) line += ", counted by the server";
    if (!report.ended) line += ", without an end: the run goes on, or its process was killed";
    screen_.Say(line + ", " + Printable(report.url));
    for (const auto* left : {&report.left_out, &report.no_place}) {
      for (const std::string& what : *left)
        screen_.Complain(upload.name() + ": not uploaded: " + what);
    }
    if (!report.left_out.empty()) ++incomplete_;
  }

  const SyncArguments& arguments_;
  SyncScreen screen_;
  std::set<fs::path> added_;
  std::set<fs::path> named_;  // runs that are left alone
  std::atomic<size_t> failed_ = 0;
  std::atomic<size_t> incomplete_ = 0;  // but nothing more can be done about it
};

int Complain(const Error& error) {
  std::cerr << "flarebridge: " << Printable(error.message) << "\n";
  return error.code == ErrorCode::kConfig ? kExitConfig : kExitNoInput;
}

}  // namespace

int Sync(const SyncArguments& arguments) {
  const Expected<Found> found = FindAll(arguments);
  if (!found) return Complain(found.error());
  if (found->logs.empty() && !arguments.watch) {
    std::set<fs::path> named;
    NameOnline(found->online, named);
    const size_t synced = found->synced.size();
    if (synced > 0) {
      std::cout << "every run there is uploaded already (" << synced << ")\n";
    } else if (found->online.empty()) {
      std::cout << "no run there\n";
    }
    return synced > 0 || !found->online.empty() ? kExitOk : kExitNoInput;
  }
  if (arguments.dry_run) {
    for (const fs::path& log : found->logs) std::cout << log.parent_path().string() << "\n";
    std::set<fs::path> named;
    NameOnline(found->online, named);
    return kExitOk;
  }
  KeepSecrets();
  const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
  if (!account) return Complain(account.error());
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, [](int) { interrupted = true; });
  signal(SIGTERM, [](int) { interrupted = true; });
  return Uploads(arguments, found->logs.size()).Run(*account, *found);
}

}  // namespace flarebridge
