#include "bridge/uploader/upload_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "bridge/process/descriptor_limit.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/secrets.h"
#include "bridge/uploader/notice_sender.h"
#include "bridge/uploader/upload_kinds.h"
#include "bridge/uploads/upload_queue.h"
#include "events/mutex.h"
#include "receivers/files/unique_fd.h"
#include "receivers/upload/upload_pool.h"
#include "receivers/upload_target.h"

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
// For a bridge that is slow to read, before this process leaves.
constexpr seconds kLastWords{1};

std::atomic<bool> asked_to_stop = false;

class UploadProcess {
 public:
  UploadProcess(const std::string& queue, std::string bridge, int socket)
      : queue_(queue), bridge_(std::move(bridge)), socket_(socket) {}

  int Run() {
    bool last_look = false;
    while (!asked_to_stop) {
      AddNew();
      if (pools_.empty() && useless_) {
        notices_.FlushWithin(kLastWords);
        return *useless_;
      }
      // What was added before the bridge closed its end has been seen by now.
      if (last_look && NothingIsActive() && NothingWaits()) break;
      last_look = WaitForEnd();
      if (last_look && !finishing_) {
        for (auto& [kind, pool] : pools_) pool->StopFollowing();
      }
      finishing_ = finishing_ || last_look;
    }
    for (auto& [kind, pool] : pools_) pool->Stop();
    notices_.FlushWithin(kLastWords);
    return failed_ > 0 || useless_ || asked_to_stop ? kExitIncomplete : kExitOk;
  }

 private:
  // What is known of a target, by its kind and path.
  static std::string KeyOf(const std::string& kind, const fs::path& path) {
    return kind + "\n" + path.string();
  }

  UploadPool::Callbacks CallbacksOf(const std::string& kind) {
    UploadPool::Callbacks callbacks;
    callbacks.progress = [this, kind](const Upload& upload) { OnProgress(kind, upload); };
    callbacks.done = [this, kind](const Upload& upload) {
      OnDone(KeyOf(kind, upload.path()), upload);
    };
    callbacks.failed = [this, kind](const Upload& upload, const Error& error) {
      OnFailed(KeyOf(kind, upload.path()), upload, error);
    };
    callbacks.warn = [this](const std::string& words) { Say(NoticeLevel::kWarning, words); };
    return callbacks;
  }

  // The pool of a kind, started when it is first needed; nullptr if it can't be, which is told
  // once.
  UploadPool* PoolOf(const std::string& kind) {
    if (const auto found = pools_.find(kind); found != pools_.end()) return found->second.get();
    if (!refused_kinds_.insert(kind).second) return nullptr;
    Expected<std::unique_ptr<UploadPool>> pool = StartUploadKind(kind, kThreads, CallbacksOf(kind));
    if (pool) {
      refused_kinds_.erase(kind);
      return pools_.emplace(kind, std::move(*pool)).first->second.get();
    }
    Say(NoticeLevel::kError, pool.error().message);
    useless_ = pool.error().code == ErrorCode::kIo ? kExitInternal : kExitConfig;
    return nullptr;
  }

  void AddNew() {
    const bool first = std::exchange(first_look_, false);
    for (UploadQueue::Entry& entry : queue_.List()) {
      // What an earlier bridge has left is there from the beginning. What another one adds later is
      // for the process of that one, which follows it: here it would be done with what it has now.
      if (first) others_.insert(entry.file);
      if (entry.bridge != bridge_ && !others_.contains(entry.file)) continue;
      UploadPool* pool = PoolOf(entry.target.kind);
      if (pool == nullptr) continue;
      const fs::path path = entry.target.path;
      const std::string key = KeyOf(entry.target.kind, path);
      const MutexLock lock(mutex_);
      const auto known = entries_.find(key);
      if (known != entries_.end() && known->second.stamp == entry.stamp) continue;
      if (const auto again = again_at_.find(key); again != again_at_.end()) {
        if (steady_clock::now() < again->second) continue;
        again_at_.erase(again);
      }
      UploadOptions options;
      options.retry_for = kRetryFor;
      options.follow = !finishing_;
      // One that is still at work stays in the queue when it is done, and is added again.
      if (pool->Add(path, options)) entries_[key] = std::move(entry);
    }
  }

  bool NothingIsActive() const {
    return std::all_of(pools_.begin(), pools_.end(),
                       [](const auto& pool) { return pool.second->active() == 0; });
  }

  // No upload is to be tried again later.
  bool NothingWaits() {
    const MutexLock lock(mutex_);
    return again_at_.empty();
  }

  // Waits a moment. True: the bridge has closed its end.
  bool WaitForEnd() {
    notices_.Flush();
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

  // Pools call the following: one at a time each, and several at once.
  void OnProgress(const std::string& kind, const Upload& upload) {
    const std::string key = KeyOf(kind, upload.path());
    if (upload.created() && IsFirst(Told::kPlace, key)) {
      const UploadReport report = upload.report();
      // The shim looks for these words, and says them again at a run's end (run_links.py).
      if (!report.group_url.empty() && IsFirst(Told::kGroup, report.group_url))
        Say(NoticeLevel::kInfo, "View group at " + report.group_url);
      Say(NoticeLevel::kInfo, "View run at " + report.url);
    }
    const Upload::Progress progress = upload.progress();
    if (!progress.stop.empty() && IsFirst(Told::kStop, key)) {
      const std::string path = upload.path().string();
      notices_.TellToStop({{kind, path}, progress.stop});
    }
    if (progress.waiting.empty() || !WaitMayBeTold()) return;
    Say(NoticeLevel::kWarning,
        "uploads wait, and nothing is lost: " + upload.name() + ": " + progress.waiting, "waits");
  }

  // What is told once: where a run is and that it is to stop, by its key; where a group is, by its
  // page.
  enum class Told : uint8_t { kPlace, kStop, kGroup };
  bool IsFirst(Told what, const std::string& key) {
    const MutexLock lock(mutex_);
    return told_once_.emplace(what, key).second;
  }

  bool WaitMayBeTold() {
    const MutexLock lock(mutex_);
    const auto now = steady_clock::now();
    if (told_ && now - *told_ < kTellInterval) return false;
    told_ = now;
    return true;
  }

  void OnDone(const std::string& key, const Upload& upload) {
    const UploadReport report = upload.report();
    TakeOut(key);
    Say(NoticeLevel::kInfo,
        upload.name() + " is uploaded: " + std::to_string(report.rows) + " rows");
    for (const auto* left : {&report.left_out, &report.no_place}) {
      for (const std::string& what : *left)
        Say(NoticeLevel::kWarning, upload.name() + ": not uploaded: " + what);
    }
  }

  void OnFailed(const std::string& key, const Upload& upload, const Error& error) {
    std::error_code ignored;
    const bool there = fs::exists(upload.path(), ignored);
    if (there && error.code == ErrorCode::kIo) {
      // A full disk, say: somebody may make room.
      // An earlier part of a run is not in the queue; it comes again with the later one.
      const MutexLock lock(mutex_);
      if (entries_.erase(key) > 0) again_at_[key] = steady_clock::now() + kAgain;
      Say(NoticeLevel::kWarning, upload.name() + " is not uploaded yet: " + error.message,
          "not yet " + key);
      return;
    }
    ++failed_;
    // It was moved or removed; its entry would be in the way for ever.
    if (!there) TakeOut(key);
    Say(NoticeLevel::kError, upload.name() + " is not uploaded: " + error.message +
                                 (there ? ". The run on disk is whole; upload it with: "
                                          "flarebridge sync " +
                                              upload.path().parent_path().string()
                                        : ""));
  }

  void TakeOut(const std::string& key) {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return;
    queue_.Remove(entry->second);
    entries_.erase(entry);
  }

  void Say(NoticeLevel level, const std::string& text, const std::string& topic = "") {
    notices_.Say(level, text, topic);
  }

  UploadQueue queue_;
  std::string bridge_;
  bool first_look_ = true;
  std::set<fs::path> others_;  // entries that were there at the first look
  UniqueFd socket_;
  NoticeSender notices_{socket_.get()};
  Mutex mutex_;
  // These three by KeyOf().
  std::map<std::string, UploadQueue::Entry> entries_ GUARDED_BY(mutex_);
  // Uploads that have failed, and when they are tried again.
  std::map<std::string, steady_clock::time_point> again_at_ GUARDED_BY(mutex_);
  std::set<std::pair<Told, std::string>> told_once_ GUARDED_BY(mutex_);
  std::optional<steady_clock::time_point> told_ GUARDED_BY(mutex_);  // what they wait for
  std::atomic<size_t> failed_ = 0;
  std::atomic<bool> finishing_ = false;
  std::optional<int> useless_;  // the exit status if nothing but such kinds is in the queue
  std::set<std::string> refused_kinds_;
  std::map<std::string, std::unique_ptr<UploadPool>> pools_;  // by kind; the last, to go first
};

}  // namespace

int RunUploadProcess(const std::string& queue, const std::string& bridge, int socket) {
  KeepSecrets();
  RaiseDescriptorLimit();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  // Ctrl-C in a terminal is for the bridge.
  signal(SIGINT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGTERM, [](int) { asked_to_stop = true; });
  return UploadProcess(queue, bridge, socket).Run();
}

}  // namespace flarebridge
