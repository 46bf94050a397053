// Leaves the family of the process that started us. A session of its own is not enough: NVFlare's
// simulator ends all descendants of its process when it is interrupted (kill_child_processes in
// private/fed/app/utils.py at 2.8.1), and the bridge has runs to finish then. Used by `serve
// --own`, before any thread is started.
#pragma once

#include <string>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

class Detachment {
 public:
  // Forks. Returns in the child only, which is in a session of its own. The starter waits for
  // Ready() and ends with status 0, or with the child's status if that ends before. Errors: kIo.
  static Expected<Detachment> Detach();

  // Writes this process's number to the file and lets the starter go. Errors: kIo.
  Expected<void> Ready(const std::string& pid_file);

 private:
  explicit Detachment(UniqueFd starter) : starter_(std::move(starter)) {}
  UniqueFd starter_;
};

}  // namespace flarebridge
