// Learns that a process has ended: by a pidfd, or, where the system gives none (a kernel
// before 5.3, a container's profile), by looking at it from time to time. A system that refuses to
// tell is never taken for a process that is gone. Used for the bridge's children and for the
// process it serves. One thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

class ProcessWatch {
 public:
  // By a pidfd if there is one. Errors: kIo, kTemporary (no descriptor is left).
  static Expected<ProcessWatch> Of(pid_t pid);
  // The second way, also where the first one would do. Errors: as above.
  static Expected<ProcessWatch> ByLooking(pid_t pid);

  // Becomes readable when the process has ended, or when it is time to look.
  int fd() const { return fd_.get(); }
  // After fd() became readable: the process is gone, or is a zombie that its parent has to reap.
  bool HasEnded();

 private:
  ProcessWatch(pid_t pid, UniqueFd fd, bool looks) : pid_(pid), looks_(looks), fd_(std::move(fd)) {}

  pid_t pid_;
  bool looks_;  // fd_ is a timer, else a pidfd
  UniqueFd fd_;
  bool gone_ = false;
  // When the process was started, as the kernel counts: its number may be another's by and by.
  std::optional<uint64_t> started_;
};

}  // namespace flarebridge
