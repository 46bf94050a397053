// A worker process as the supervisor needs it: bytes to and fro, its end, and the event it was at.
// An interface, because unit tests play workers in memory; the program's own is WatchedWorker
// (watched_worker.h). The bridge's one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bridge/process/child_process.h"
#include "events/error.h"

namespace flarebridge {

class WorkerHandle {
 public:
  // What a worker's owner is called for; never from within a call to the handle.
  struct Events {
    std::function<void()> readable;  // it has said something, or closed its end
    std::function<void()> writable;  // it takes more; only while WatchRoom(true)
    std::function<void()> exited;    // Reap() tells how
  };

  WorkerHandle() = default;
  // Kills and reaps what is still there; no event comes any more.
  virtual ~WorkerHandle() = default;
  WorkerHandle(const WorkerHandle&) = delete;
  WorkerHandle& operator=(const WorkerHandle&) = delete;

  // Sends what fits without waiting; gives the bytes taken.
  virtual size_t Send(std::string_view bytes) = 0;
  // Appends what has come to out.
  virtual void Receive(std::string& out) = 0;
  virtual void WatchRoom(bool watched) = 0;
  // Tells the worker that nothing will follow.
  virtual void CloseStream() = 0;
  virtual void Kill() = 0;
  // How it ended; nothing: it still runs.
  virtual std::optional<ChildProcess::Exit> Reap() = 0;
  // The journal's position of the event that it is at, or was at when it died; 0: none.
  virtual uint64_t at_work() const = 0;
};

// Starts a worker. Errors: kIo, kTemporary.
using SpawnWorker =
    std::function<Expected<std::unique_ptr<WorkerHandle>>(WorkerHandle::Events events)>;

}  // namespace flarebridge
