// Uploads many run logs with a few threads: whichever run is due next gets the next free one, so
// that none waits for another's slow answer or long pause. Add() and the like from any thread; the
// callbacks come from the pool's threads, one at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "events/error.h"
#include "events/mutex.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/http_client.h"
#include "receivers/wandb/upload/rate_limit.h"
#include "receivers/wandb/upload/run_upload.h"

namespace flarebridge::wandb {

class UploadPool {
 public:
  struct Callbacks {
    // After each step of a run.
    std::function<void(const RunUpload& upload)> progress;
    // All of the log is on the server.
    std::function<void(const RunUpload& upload)> done;
    // It is not, and will not be without a person's help.
    std::function<void(const RunUpload& upload, const Error& error)> failed;
  };

  // Errors: kIo (libcurl can't be set up).
  static Expected<std::unique_ptr<UploadPool>> Start(const Account& account, size_t threads,
                                                     Callbacks callbacks);
  // Stops what is at work. What the servers have confirmed stays so.
  ~UploadPool();
  UploadPool(const UploadPool&) = delete;
  UploadPool& operator=(const UploadPool&) = delete;

  // False: the log is being uploaded already.
  // What it needs of the same run is added by itself.
  bool Add(const std::filesystem::path& log, const UploadOptions& options);
  // No log is written any more: each upload ends with what is there.
  void StopFollowing();
  // Runs that are not done and have not failed.
  size_t active() const;
  // Ends requests that are at work, and makes no more.
  void Stop();
  // Waits until nothing is active or the time is over. True: nothing is.
  bool WaitFor(std::chrono::milliseconds time);

 private:
  using Time = RunUpload::Time;
  struct Job {
    std::unique_ptr<RunUpload> upload;
    Time due{};
    bool at_work = false;
  };

  UploadPool(Account account, Callbacks callbacks)
      : account_(std::move(account)), callbacks_(std::move(callbacks)) {}
  void Work(HttpClient& http);
  // The job that is due first and nobody works at.
  Job* Next() REQUIRES(mutex_);
  void TakeOut(const Job& job);
  // Once for each upload that waits for an earlier part of its run.
  void AddEarlierPart(const RunUpload& upload);

  const Account account_;
  Mutex callback_mutex_;
  const Callbacks callbacks_ GUARDED_BY(callback_mutex_);
  RateLimit limit_;
  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::map<std::filesystem::path, Job> jobs_ GUARDED_BY(mutex_);
  std::set<std::filesystem::path> earlier_parts_ GUARDED_BY(mutex_);  // that were added
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> following_ = true;
  std::vector<std::unique_ptr<HttpClient>> clients_;
  std::vector<std::thread> threads_;
};

}  // namespace flarebridge::wandb
