// What the process that uploads has to say to the bridge, and through it to people: kept until the
// bridge takes it, and never waited for. A bridge that does not read, because it is stopped or
// busy, holds no upload up. Used by upload_process.cc; any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>

#include "events/link_message.h"
#include "events/mutex.h"
#include "events/worker_frame.h"

namespace flarebridge {

class NoticeSender {
 public:
  // Notices that wait at most. Beyond it the oldest is dropped, those that are no errors first; how
  // many were is told once there is room.
  static constexpr size_t kMost = 100;

  // The socket is a stream, and outlives this.
  explicit NoticeSender(int socket) : socket_(socket) {}

  // `topic`: what the notice is about, if a newer one of the same topic says all that this one
  // does; then it replaces the one that waits. Empty: it stands for itself.
  void Say(NoticeLevel level, const std::string& text, const std::string& topic = "");
  // Somebody has asked that a run be stopped. It is kept as errors are.
  void TellToStop(const StopFrame& stop);
  // Sends what the socket takes now.
  void Flush();
  // Sends what waits, for so long at most.
  void FlushWithin(std::chrono::milliseconds time);
  // Nothing waits.
  bool empty() const;

 private:
  struct Waiting {
    NoticeLevel level;
    std::string topic, frame;
  };
  void Queue(Waiting newer) REQUIRES(mutex_);
  void MakeRoom() REQUIRES(mutex_);
  void SendWaiting() REQUIRES(mutex_);
  bool Replace(const Waiting& newer) REQUIRES(mutex_);

  const int socket_;
  mutable Mutex mutex_;
  std::deque<Waiting> waiting_ GUARDED_BY(mutex_);
  size_t sent_ GUARDED_BY(mutex_) = 0;  // bytes of the first
  uint64_t dropped_ GUARDED_BY(mutex_) = 0;
};

}  // namespace flarebridge
