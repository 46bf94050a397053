// A worker that is a process of its own (`flarebridge worker`), watched by the bridge's event loop.
// Made by the bridge for its supervisor. The bridge's one thread.
#pragma once

#include <memory>

#include "bridge/process/child_process.h"
#include "bridge/process/event_loop.h"
#include "bridge/workers/worker_handle.h"

namespace flarebridge {

class WatchedWorker : public WorkerHandle {
 public:
  // `loop` must outlive it. `confined`: it works only if all of its confinement holds. Errors: kIo,
  // kTemporary.
  static Expected<std::unique_ptr<WorkerHandle>> Spawn(EventLoop& loop, const Events& events,
                                                       bool confined);
  ~WatchedWorker() override;

  size_t Send(std::string_view bytes) override { return process_->Send(bytes); }
  void Receive(std::string& out) override;
  void WatchRoom(bool watched) override;
  void CloseStream() override { process_->CloseStream(); }
  void Kill() override { process_->Kill(); }
  std::optional<ChildProcess::Exit> Reap() override { return process_->Reap(); }
  uint64_t at_work() const override { return process_->at_work(); }

 private:
  WatchedWorker(EventLoop& loop, std::unique_ptr<ChildProcess> process)
      : loop_(loop), process_(std::move(process)) {}

  EventLoop& loop_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace flarebridge
