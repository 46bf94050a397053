#include "bridge/uploads/upload_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/secrets.h"
#include "bridge/uploads/upload_queue.h"
#include "events/mutex.h"
#include "events/printable.h"
#include "events/worker_frame.h"
#include "receivers/files/unique_fd.h"
#include "receivers/wandb/upload/upload_pool.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr size_t kThreads = 8;
// W&B's own client gives up a request after about as long (10085 tries of up to a minute).
constexpr seconds kRetryFor{7 * 86400};
constexpr milliseconds kLook{500};
// Before an upload that this machine's disk has stopped is tried again.
constexpr seconds kAgain{30};
// What runs wait for is told at most this often.
constexpr seconds kTellInterval{60};

std::atomic<bool> asked_to_stop = false;

class UploadProcess {
 public:
  UploadProcess(const std::string& queue, int socket) : queue_(queue), socket_(socket) {}

  int Run() {
    const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
    if (!account) {
      Say(NoticeLevel::kError, account.error().message +
                                   ". Runs are written all the same; upload them later with: "
                                   "flarebridge sync FOLDER");
      return kExitConfig;
    }
    Expected<std::unique_ptr<wandb::UploadPool>> pool =
        wandb::UploadPool::Start(*account, kThreads, Callbacks());
    if (!pool) {
      Say(NoticeLevel::kError, pool.error().message);
      return kExitInternal;
    }
    bool last_look = false;
    while (!asked_to_stop) {
      AddNew(**pool);
      // What was added before the bridge closed its end has been seen by now.
      if (last_look && (*pool)->active() == 0 && NothingWaits()) break;
      last_look = WaitForEnd();
      if (last_look && !finishing_) (*pool)->StopFollowing();
      finishing_ = finishing_ || last_look;
    }
    (*pool)->Stop();
    return failed_ > 0 || asked_to_stop ? kExitIncomplete : kExitOk;
  }

 private:
  wandb::UploadPool::Callbacks Callbacks() {
    wandb::UploadPool::Callbacks callbacks;
    callbacks.progress = [this](const wandb::RunUpload& upload) { OnProgress(upload); };
    callbacks.done = [this](const wandb::RunUpload& upload) { OnDone(upload); };
    callbacks.failed = [this](const wandb::RunUpload& upload, const Error& error) {
      OnFailed(upload, error);
    };
    return callbacks;
  }

  void AddNew(wandb::UploadPool& pool) {
    for (UploadQueue::Entry& entry : queue_.List()) {
      const MutexLock lock(mutex_);
      const auto known = entries_.find(entry.path);
      if (known != entries_.end() && known->second.stamp == entry.stamp) continue;
      if (const auto again = again_at_.find(entry.path); again != again_at_.end()) {
        if (steady_clock::now() < again->second) continue;
        again_at_.erase(again);
      }
      wandb::UploadOptions options;
      options.retry_for = kRetryFor;
      options.follow = !finishing_;
      // One that is still at work stays in the queue when it is done, and is added again.
      if (pool.Add(entry.path, options)) entries_[entry.path] = std::move(entry);
    }
  }

  // No upload is to be tried again later.
  bool NothingWaits() {
    const MutexLock lock(mutex_);
    return again_at_.empty();
  }

  // Waits a moment. True: the bridge has closed its end.
  bool WaitForEnd() {
    if (finishing_) {
      poll(nullptr, 0, static_cast<int>(kLook.count() / 5));
      return true;
    }
    pollfd end{socket_.get(), POLLIN, 0};
    if (poll(&end, 1, static_cast<int>(kLook.count())) <= 0) return false;
    std::array<char, 64> ignored{};
    return recv(socket_.get(), ignored.data(), ignored.size(), MSG_DONTWAIT) == 0 ||
           (end.revents & POLLHUP) != 0;
  }

  // The pool calls the following one at a time.
  void OnProgress(const wandb::RunUpload& upload) {
    if (upload.created() && shown_.insert(upload.log()).second)
      Say(NoticeLevel::kInfo, "View run at " + upload.report().url);
    const std::string waiting = upload.progress().waiting;
    if (waiting.empty() || (told_ && steady_clock::now() - *told_ < kTellInterval)) return;
    told_ = steady_clock::now();
    Say(NoticeLevel::kWarning,
        "uploads wait, and nothing is lost: " + upload.name() + ": " + waiting);
  }

  void OnDone(const wandb::RunUpload& upload) {
    const wandb::UploadReport report = upload.report();
    TakeOut(upload.log());
    Say(NoticeLevel::kInfo,
        upload.name() + " is uploaded: " + std::to_string(report.rows) + " rows");
    for (const std::string& left : report.left_out)
      Say(NoticeLevel::kWarning, upload.name() + ": not uploaded: " + left);
  }

  void OnFailed(const wandb::RunUpload& upload, const Error& error) {
    std::error_code ignored;
    const bool there = fs::exists(upload.log(), ignored);
    if (there && error.code == ErrorCode::kIo) {
      // A full disk, say: somebody may make room.
      const MutexLock lock(mutex_);
      entries_.erase(upload.log());
      again_at_[upload.log()] = steady_clock::now() + kAgain;
      Say(NoticeLevel::kWarning, upload.name() + " is not uploaded yet: " + error.message);
      return;
    }
    ++failed_;
    // It was moved or removed; its entry would be in the way for ever.
    if (!there) TakeOut(upload.log());
    Say(NoticeLevel::kError, upload.name() + " is not uploaded: " + error.message +
                                 (there ? ". The run on disk is whole; upload it with: "
                                          "flarebridge sync " +
                                              upload.log().parent_path().string()
                                        : ""));
  }

  void TakeOut(const fs::path& log) {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(log);
    if (entry == entries_.end()) return;
    queue_.Remove(entry->second);
    entries_.erase(entry);
  }

  void Say(NoticeLevel level, const std::string& text) {
    std::string frame;
    AppendNotice({level, Printable(text)}, frame);
    // Some bytes, and the bridge reads or is gone.
    (void)send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
  }

  UploadQueue queue_;
  UniqueFd socket_;
  Mutex mutex_;
  std::map<fs::path, UploadQueue::Entry> entries_ GUARDED_BY(mutex_);
  // Uploads that have failed, and when they are tried again.
  std::map<fs::path, steady_clock::time_point> again_at_ GUARDED_BY(mutex_);
  std::set<fs::path> shown_;
  std::atomic<size_t> failed_ = 0;
  std::optional<steady_clock::time_point> told_;
  std::atomic<bool> finishing_ = false;
};

}  // namespace

int Upload(const std::string& queue, int socket) {
  KeepSecrets();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  // Ctrl-C in a terminal is for the bridge.
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGTERM, [](int) { asked_to_stop = true; });
  return UploadProcess(queue, socket).Run();
}

}  // namespace flarebridge
