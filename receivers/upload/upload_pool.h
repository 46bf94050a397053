// Uploads many things of one kind with a few threads: whichever is due next gets the next free one,
// so that none waits for another's slow answer or long pause. Errands (files on their way) have
// half of the threads at most, so that steps (rows) do not wait for them. Of many uploads a few are
// open at a time. Add() and the like from any thread; the callbacks come from the pool's threads,
// one at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "events/mutex.h"
#include "receivers/files/file_watch.h"
#include "receivers/upload/http_transport.h"
#include "receivers/upload/upload.h"

namespace flarebridge {

class UploadPool {
 public:
  struct Callbacks {
    // After each step of an upload.
    std::function<void(const Upload& upload)> progress;
    // All of it is on the server.
    std::function<void(const Upload& upload)> done;
    // It is not, and will not be without a person's help.
    std::function<void(const Upload& upload, const Error& error)> failed;
    // What a person should know besides: of the server before anything is sent, by who starts the
    // pool, on that thread; of uploads by themselves, on any thread and several at once. May be
    // empty.
    std::function<void(const std::string& words)> warn{};
  };

  using Transports = std::vector<std::unique_ptr<HttpTransport>>;
  // Makes the upload of a path. From any of the pool's threads and Add()'s, one at a time.
  using Open = std::function<std::unique_ptr<Upload>(const std::filesystem::path& path,
                                                     const UploadOptions& options)>;

  // How many uploads are open at once: their first step was made, and they are not over.
  struct Window {
    size_t finish;  // of those that end with what is there
    size_t follow;  // with those that wait for more: as many as there are descriptors for
  };
  // For so many threads, as the limit of descriptors allows it.
  static Window WindowFor(size_t threads);

  // A thread for each transport, from now on. What is uploaded may be written by another machine,
  // unless WatchFiles() is called.
  UploadPool(Transports transports, Open open, Window window, Callbacks callbacks);
  // Stops what is at work. What the servers have confirmed stays so.
  ~UploadPool();
  UploadPool(const UploadPool&) = delete;
  UploadPool& operator=(const UploadPool&) = delete;

  // Before Add(): all that is uploaded is written on this machine. So what is quiet is looked at
  // when it is written, and not again and again, as far as the system watches files.
  void WatchFiles();
  // False: it is being uploaded already. What has to be uploaded before it is added by itself.
  bool Add(const std::filesystem::path& path, const UploadOptions& options);
  // Nothing is written any more: each upload ends with what is there.
  void StopFollowing();
  // Uploads that are not done and have not failed.
  size_t active() const;
  // Ends requests that are at work, and makes no more.
  void Stop();
  // Waits until nothing is active or the time is over. True: nothing is.
  bool WaitFor(std::chrono::milliseconds time);

 private:
  using Time = Upload::Time;
  struct Job {
    std::unique_ptr<Upload> upload;
    uint64_t number = 0;  // of all that was added
    bool open = false;
    bool woken = false;    // while it was at work
    bool watched = false;  // its file, since before its last step
    Time due{};
  };
  struct Sent {
    std::shared_ptr<Errand> errand;
    std::filesystem::path path;  // of the upload
    uint64_t number = 0;         // of its job
  };
  struct Failure {
    uint64_t at = 0;  // what was added until then waits for it in vain
    Error error;
  };

  void Work(HttpTransport& http);
  // What is to be done now; nothing, or nullptr: nothing is.
  std::optional<Sent> NextErrand() REQUIRES(mutex_);
  Job* NextStep() REQUIRES(mutex_);
  void ErrandIsOver(const Sent& sent) REQUIRES(mutex_);
  Expected<Upload::Turn> Step(const Job& job, HttpTransport& http);
  void StepIsOver(Job& job, const Expected<Upload::Turn>& turn) REQUIRES(mutex_);
  // Opens what there is room for.
  void OpenMore() REQUIRES(mutex_);
  void OpenJob(Job& job) REQUIRES(mutex_);
  // It is called at once, or once more if it is at work.
  void Wake(Job& job) REQUIRES(mutex_);
  // When it is called after a step that has told so.
  Time After(Job& job, const Upload::Turn& turn) REQUIRES(mutex_);
  // From now on it is due at that time, and nobody works at it.
  void MakeDue(Job& job, Time due) REQUIRES(mutex_);
  void TakeOut(const Job& job) REQUIRES(mutex_);
  // Once for each upload that waits for an earlier part of its run.
  void AddEarlierPart(const Upload& upload);
  // What a job has come to: as it says, or an error if the part that it waits for has failed.
  Expected<Upload::Turn> Outcome(const Job& job, Expected<Upload::Turn> turn);

  const Transports transports_;
  const Open open_;
  const Window window_;
  Mutex callback_mutex_;
  const Callbacks callbacks_ GUARDED_BY(callback_mutex_);
  mutable Mutex mutex_;
  std::condition_variable changed_;          // there may be something to do
  std::condition_variable settled_;          // an upload is over
  bool watched_ GUARDED_BY(mutex_) = false;  // a thread waits for what is due first
  std::map<std::filesystem::path, Job> jobs_ GUARDED_BY(mutex_);
  std::set<std::pair<Time, Job*>> due_ GUARDED_BY(mutex_);  // open ones that nobody works at
  std::map<uint64_t, Job*> closed_ GUARDED_BY(mutex_);      // not open yet, by number
  size_t opened_ GUARDED_BY(mutex_) = 0;
  std::deque<Sent> errands_ GUARDED_BY(mutex_);  // not begun
  size_t errands_at_work_ GUARDED_BY(mutex_) = 0;
  std::set<std::filesystem::path> earlier_parts_ GUARDED_BY(mutex_);  // that were added
  std::map<std::filesystem::path, Failure> failed_ GUARDED_BY(mutex_);
  uint64_t added_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> following_ = true;
  std::unique_ptr<FileWatch> watch_;
  std::vector<std::thread> threads_;
};

}  // namespace flarebridge
