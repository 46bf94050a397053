// Waits for many file descriptors at once (epoll) and calls whoever registered for them. The bridge
// has one; everything in the bridge runs on its thread, so that nothing of it needs a lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

class EventLoop {
 public:
  // Called with the epoll event bits (EPOLLIN, EPOLLOUT, EPOLLHUP ...).
  using Handler = std::function<void(uint32_t)>;

  static Expected<std::unique_ptr<EventLoop>> Create();

  // Watches fd for the event bits; the handler may add and remove descriptors, its own included.
  // The caller keeps fd open until Remove(). Errors: kIo.
  Expected<void> Add(int fd, uint32_t events, Handler handler);
  // Changes the event bits of a watched descriptor.
  void Modify(int fd, uint32_t events);
  void Remove(int fd);

  // Waits until something is ready or `timeout` has passed (nothing: no limit), and calls handlers.
  void RunOnce(std::optional<std::chrono::milliseconds> timeout);

 private:
  explicit EventLoop(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  // Shared, so that a handler that removes itself lives until it returns.
  std::unordered_map<int, std::shared_ptr<Handler>> handlers_;
};

}  // namespace flarebridge
