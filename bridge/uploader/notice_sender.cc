#include "bridge/uploader/notice_sender.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "events/printable.h"

namespace flarebridge {
namespace {

std::string FrameOf(NoticeLevel level, const std::string& text) {
  std::string frame;
  AppendNotice({level, Printable(text)}, frame);
  return frame;
}

}  // namespace

void NoticeSender::Say(NoticeLevel level, const std::string& text, const std::string& topic) {
  const MutexLock lock(mutex_);
  Queue({level, topic, FrameOf(level, text)});
}

void NoticeSender::TellToStop(const StopFrame& stop) {
  std::string frame;
  AppendStop(stop, frame);
  const MutexLock lock(mutex_);
  Queue({NoticeLevel::kError, "", std::move(frame)});
}

void NoticeSender::Queue(Waiting newer) {
  if (!Replace(newer)) {
    MakeRoom();
    waiting_.push_back(std::move(newer));
  }
  SendWaiting();
}

bool NoticeSender::Replace(const Waiting& newer) {
  if (newer.topic.empty()) return false;
  for (Waiting& older : waiting_) {
    const bool begun = &older == &waiting_.front() && sent_ > 0;
    if (older.topic != newer.topic || begun) continue;
    older = newer;
    return true;
  }
  return false;
}

void NoticeSender::MakeRoom() {
  if (waiting_.size() < kMost) return;
  // Of one that was begun the rest must follow, or the bridge can't tell frames apart.
  const auto first = waiting_.begin() + (sent_ > 0 ? 1 : 0);
  auto dropped = std::find_if(first, waiting_.end(), [](const Waiting& notice) {
    return notice.level != NoticeLevel::kError;
  });
  if (dropped == waiting_.end()) dropped = first;
  waiting_.erase(dropped);
  ++dropped_;
}

void NoticeSender::SendWaiting() {
  while (!waiting_.empty()) {
    const std::string& frame = waiting_.front().frame;
    const ssize_t sent =
        send(socket_, frame.data() + sent_, frame.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) return;
    if (sent < 0) {
      // The bridge is gone: nobody hears it.
      waiting_.clear();
      sent_ = 0;
      dropped_ = 0;
      return;
    }
    sent_ += static_cast<size_t>(sent);
    if (sent_ < frame.size()) continue;
    waiting_.pop_front();
    sent_ = 0;
    if (dropped_ == 0 || waiting_.size() + 1 >= kMost) continue;
    waiting_.push_back({NoticeLevel::kWarning, "",
                        FrameOf(NoticeLevel::kWarning,
                                std::to_string(dropped_) +
                                    " messages of the uploader were dropped: nobody read them")});
    dropped_ = 0;
  }
}

void NoticeSender::Flush() {
  const MutexLock lock(mutex_);
  SendWaiting();
}

void NoticeSender::FlushWithin(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (true) {
    Flush();
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (empty() || left.count() <= 0) return;
    pollfd room{socket_, POLLOUT, 0};
    poll(&room, 1, static_cast<int>(left.count()));
  }
}

bool NoticeSender::empty() const {
  const MutexLock lock(mutex_);
  return waiting_.empty();
}

}  // namespace flarebridge
