// What `flarebridge sync` shows: on a terminal one line that is rewritten as the uploads go on;
// elsewhere a line where something has happened, and now and then one of what is under way. Any
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "events/mutex.h"

namespace flarebridge {

class SyncScreen {
 public:
  // `runs`: how many there are; 0: not known (they come as they are found).
  explicit SyncScreen(size_t runs);
  ~SyncScreen();
  SyncScreen(const SyncScreen&) = delete;
  SyncScreen& operator=(const SyncScreen&) = delete;

  // How far a run is: rows on the server, the part of its log that was read (0 to 1), and what it
  // waits for, or "".
  void Progress(const std::string& run, uint64_t rows, double part, const std::string& waiting);
  // A run needs no line of progress any more.
  void Done(const std::string& run);
  // A line of the result, on standard output.
  void Say(const std::string& line);
  // A line of what went wrong, on standard error.
  void Complain(const std::string& line);

 private:
  struct Run {
    uint64_t rows = 0;
    double part = 0;
    std::string waiting;
  };
  void Draw() REQUIRES(mutex_);
  void Erase() REQUIRES(mutex_);

  const bool terminal_;
  const size_t runs_;
  Mutex mutex_;
  size_t done_ GUARDED_BY(mutex_) = 0;
  uint64_t done_rows_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, Run> running_ GUARDED_BY(mutex_);
  bool drawn_ GUARDED_BY(mutex_) = false;
  std::chrono::steady_clock::time_point told_ GUARDED_BY(mutex_);
};

}  // namespace flarebridge
