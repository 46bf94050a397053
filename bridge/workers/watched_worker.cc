#include "bridge/workers/watched_worker.h"

#include <sys/epoll.h>

namespace flarebridge {

Expected<std::unique_ptr<WorkerHandle>> WatchedWorker::Spawn(EventLoop& loop, const Events& events,
                                                             bool confined) {
  ChildProcess::Program program{.arguments = {"worker"}, .marked = true};
  if (confined) program.arguments.emplace_back("--require-confinement");
  Expected<std::unique_ptr<ChildProcess>> process = ChildProcess::Spawn(std::move(program));
  if (!process) return Propagate(process);
  std::unique_ptr<WatchedWorker> worker(new WatchedWorker(loop, std::move(*process)));
  // The handlers have copies of the events: the handle may go while one of them runs.
  Expected<void> watched =
      loop.Add(worker->process_->socket(), EPOLLIN,
               [writable = events.writable, readable = events.readable](uint32_t bits) {
                 if ((bits & EPOLLOUT) != 0) writable();
                 if ((bits & ~uint32_t{EPOLLOUT}) != 0) readable();
               });
  if (!watched) return Propagate(watched);
  watched =
      loop.Add(worker->process_->end(), EPOLLIN, [exited = events.exited](uint32_t) { exited(); });
  if (!watched) return Propagate(watched);
  return std::unique_ptr<WorkerHandle>(std::move(worker));
}

WatchedWorker::~WatchedWorker() {
  loop_.Remove(process_->socket());
  loop_.Remove(process_->end());
}

void WatchedWorker::Receive(std::string& out) {
  // Its end is closed or spoilt: the process's end tells the rest.
  if (!process_->Receive(out)) loop_.Remove(process_->socket());
}

void WatchedWorker::WatchRoom(bool watched) {
  loop_.Modify(process_->socket(), watched ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace flarebridge
