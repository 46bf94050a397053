#include "receivers/files/file_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

namespace flarebridge {

namespace fs = std::filesystem;

std::unique_ptr<FileWatch> FileWatch::Start(Written written) {
  std::unique_ptr<FileWatch> watch(new FileWatch(std::move(written)));
  watch->events_ = UniqueFd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  watch->stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!watch->events_ || !watch->stop_) return nullptr;
  watch->thread_ = std::thread([raw = watch.get()] { raw->Work(); });
  return watch;
}

FileWatch::~FileWatch() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

bool FileWatch::Watch(const fs::path& file) {
  // Held from before the watch is set: its event may come at once.
  const MutexLock lock(mutex_);
  const int watch = inotify_add_watch(events_.get(), file.c_str(), IN_MODIFY | IN_ONESHOT);
  if (watch < 0) return false;
  files_[watch] = file;
  watches_[file] = watch;
  return true;
}

void FileWatch::Forget(const fs::path& file) {
  const MutexLock lock(mutex_);
  const auto found = watches_.find(file);
  if (found == watches_.end()) return;
  inotify_rm_watch(events_.get(), found->second);
  files_.erase(found->second);
  watches_.erase(found);
}

fs::path FileWatch::TakeOut(int watch) {
  const MutexLock lock(mutex_);
  const auto found = files_.find(watch);
  if (found == files_.end()) return {};
  fs::path file = std::move(found->second);
  files_.erase(found);
  watches_.erase(file);
  return file;
}

void FileWatch::Work() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  while (true) {
    std::array<pollfd, 2> wait = {{{events_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
    poll(wait.data(), wait.size(), -1);
    if (wait[1].revents != 0) return;
    const ssize_t size = read(events_.get(), buffer.data(), buffer.size());
    for (ssize_t at = 0; at < size;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      at += static_cast<ssize_t>(sizeof event + event.len);
      // Whatever has come, also that the watch is over: it does not come again.
      if (const fs::path file = TakeOut(event.wd); !file.empty()) written_(file);
    }
  }
}

}  // namespace flarebridge
