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
  std::vector<fs::path> logs;
  size_t synced = 0;
};

Expected<Found> FindAll(const SyncArguments& arguments) {
  Found all;
  for (const std::string& path : arguments.paths) {
    const auto found = wandb::FindLogs(path);
    if (!found) return Propagate(found);
    for (const fs::path& log : *found) {
      if (IsSynced(log) && !arguments.again) {
        ++all.synced;
      } else if (std::find(all.logs.begin(), all.logs.end(), log) == all.logs.end()) {
        all.logs.push_back(log);
      }
    }
  }
  return all;
}

class Uploads {
 public:
  Uploads(const SyncArguments& arguments, size_t runs)
      : arguments_(arguments), screen_(arguments.watch ? 0 : runs) {}

  // Gives the exit status.
  int Run(const wandb::Account& account, const std::vector<fs::path>& logs) {
    Expected<std::unique_ptr<UploadPool>> pool =
        wandb::StartUploads(account, arguments_.entity, arguments_.project,
                            static_cast<size_t>(arguments_.jobs), Callbacks());
    if (!pool) {
      screen_.Complain(pool.error().message);
      return kExitInternal;
    }
    for (const fs::path& log : logs) Add(**pool, log);
    auto scan = steady_clock::now() + kScanInterval;
    while (!interrupted) {
      const bool idle = (*pool)->WaitFor(kLook);
      if (idle && !arguments_.watch) break;
      if (idle) std::this_thread::sleep_for(kLook);
      if (!arguments_.watch || steady_clock::now() < scan) continue;
      scan = steady_clock::now() + kScanInterval;
      if (const Expected<Found> found = FindAll(arguments_); found) {
        for (const fs::path& log : found->logs) Add(**pool, log);
      }
    }
    (*pool)->Stop();
    const size_t open = failed_ + (*pool)->active();
    if (open == 0 || (arguments_.watch && failed_ == 0)) return kExitOk;
    screen_.Complain(std::to_string(open) + (open == 1 ? " run is" : " runs are") +
                     " not wholly on the server; run the same command again to go on");
    return kExitIncomplete;
  }

 private:
  void Add(UploadPool& pool, const fs::path& log) {
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
    for (const std::string& left : report.left_out)
      screen_.Complain(upload.name() + ": not uploaded: " + left);
  }

  const SyncArguments& arguments_;
  SyncScreen screen_;
  std::set<fs::path> added_;
  std::atomic<size_t> failed_ = 0;
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
    std::cout << (found->synced > 0 ? "every run there is uploaded already (" +
                                          std::to_string(found->synced) + ")"
                                    : std::string("no run there"))
              << "\n";
    return found->synced > 0 ? kExitOk : kExitNoInput;
  }
  if (arguments.dry_run) {
    for (const fs::path& log : found->logs) std::cout << log.parent_path().string() << "\n";
    return kExitOk;
  }
  KeepSecrets();
  const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
  if (!account) return Complain(account.error());
  for (const std::string& words : account->warnings)
    std::cerr << "flarebridge: warning: " << Printable(words) << "\n";
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, [](int) { interrupted = true; });
  signal(SIGTERM, [](int) { interrupted = true; });
  return Uploads(arguments, found->logs.size()).Run(*account, found->logs);
}

}  // namespace flarebridge
