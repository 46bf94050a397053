// The bridge's side of uploads: keeps the queue of targets, and one process (`flarebridge-upload`)
// that uploads them, started when there is something and again if it dies. That process has the
// network and the key, no other has; it goes on by itself when the bridge leaves. The bridge's one
// thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/process/child_process.h"
#include "bridge/process/event_loop.h"
#include "bridge/process/restart_policy.h"
#include "bridge/uploads/upload_queue.h"
#include "events/worker_frame.h"
#include "receivers/upload_target.h"

namespace flarebridge {

class UploadSupervisor {
 public:
  using Time = std::chrono::steady_clock::time_point;
  struct Callbacks {
    // What a person should read.
    std::function<void(const Notice& notice)> notice;
    // Somebody has asked on the server that what is uploaded be stopped; once in the process's
    // life. `words`: what it "was", for a person.
    std::function<void(const UploadTarget& target, const std::string& words)> stop;
  };

  // `folder`: of the queue. `secrets`: what the process, and no other, finds in its environment
  // (NAME=value).
  UploadSupervisor(EventLoop& loop, const std::string& folder, std::vector<std::string> secrets,
                   Callbacks callbacks);
  ~UploadSupervisor();
  UploadSupervisor(const UploadSupervisor&) = delete;
  UploadSupervisor& operator=(const UploadSupervisor&) = delete;

  // Goes on with what an earlier bridge has left.
  void Start(Time now);
  void Add(const UploadTarget& target, Time now);
  // No file grows any more: it uploads what is there, and leaves.
  void Finish(Time now);
  // Everything is uploaded, or can't be without a person's help.
  bool Done() const;
  // It stops now; what it was about stays in the queue.
  void Stop();

  void OnTimer(Time now);
  std::optional<Time> NextTimer() const { return restarts_.NextTimer(); }

 private:
  void Act(RestartPolicy::Action action, Time now);
  void Spawn(Time now);
  void OnReadable();
  void OnFrame(const FrameReader::Frame& frame);
  void OnExit(Time now);
  void Release();

  EventLoop& loop_;
  const std::string bridge_;  // this one, for the queue
  UploadQueue queue_;
  std::vector<std::string> secrets_;
  Callbacks callbacks_;
  RestartPolicy restarts_;
  std::unique_ptr<ChildProcess> process_;
  FrameReader reader_;
  bool finishing_ = false;
  bool stopped_ = false;
};

}  // namespace flarebridge
