// Uploads many things of one kind with a few threads: whichever is due next gets the next free one,
// so that none waits for another's slow answer or long pause. Add() and the like from any thread;
// the callbacks come from the pool's threads, one at a time.
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

#include "events/mutex.h"
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
    // What a person should know of the server before anything is sent. May be empty; called by who
    // starts the pool, on that thread.
    std::function<void(const std::string& words)> warn{};
  };

  using Transports = std::vector<std::unique_ptr<HttpTransport>>;
  // Makes the upload of a path. From any of the pool's threads and Add()'s, one at a time.
  using Open = std::function<std::unique_ptr<Upload>(const std::filesystem::path& path,
                                                     const UploadOptions& options)>;

  // A thread for each transport, from now on.
  UploadPool(Transports transports, Open open, Callbacks callbacks);
  // Stops what is at work. What the servers have confirmed stays so.
  ~UploadPool();
  UploadPool(const UploadPool&) = delete;
  UploadPool& operator=(const UploadPool&) = delete;

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
    Time due{};
    bool at_work = false;
    uint64_t number = 0;  // of all that was added
  };
  struct Failure {
    uint64_t at = 0;  // what was added until then waits for it in vain
    Error error;
  };

  void Work(HttpTransport& http);
  // The job that is due first and nobody works at.
  Job* Next() REQUIRES(mutex_);
  void TakeOut(const Job& job);
  // Once for each upload that waits for an earlier part of its run.
  void AddEarlierPart(const Upload& upload);
  // What a job has come to: as it says, or an error if the part that it waits for has failed.
  Expected<Upload::Turn> Outcome(const Job& job, Expected<Upload::Turn> turn);

  const Transports transports_;
  const Open open_;
  Mutex callback_mutex_;
  const Callbacks callbacks_ GUARDED_BY(callback_mutex_);
  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::map<std::filesystem::path, Job> jobs_ GUARDED_BY(mutex_);
  std::set<std::filesystem::path> earlier_parts_ GUARDED_BY(mutex_);  // that were added
  std::map<std::filesystem::path, Failure> failed_ GUARDED_BY(mutex_);
  uint64_t added_ GUARDED_BY(mutex_) = 0;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::atomic<bool> following_ = true;
  std::vector<std::thread> threads_;
};

}  // namespace flarebridge
