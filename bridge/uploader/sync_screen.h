// What `flarebridge sync` shows: on a terminal a line that is rewritten as servers confirm what was
// sent; everywhere a line where something has happened, and without a terminal now and then one of
// how far it is. Tick() from one thread, the others from any.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "bridge/uploader/progress_line.h"
#include "events/mutex.h"

namespace flarebridge {

class SyncScreen {
 public:
  // `runs`: how many there are, with so many bytes; nothing: they come as they are found.
  // `retry_for`: how long a request is tried again, in seconds.
  SyncScreen(std::optional<size_t> runs, uint64_t bytes, int retry_for);
  ~SyncScreen();
  SyncScreen(const SyncScreen&) = delete;
  SyncScreen& operator=(const SyncScreen&) = delete;

  // How far a run is: rows that the server has confirmed, bytes of its log and of its artifacts;
  // and how many these have, which are not in the log.
  struct Run {
    uint64_t rows = 0, bytes = 0, content_bytes = 0;
    bool waits = false;
  };
  // `waiting`: what it waits for, or "". Logs are known by their paths: folders of one name may lie
  // in several places.
  void Progress(const std::filesystem::path& log, const Run& run, const std::string& waiting);
  // A run is over: it is not under way any more. `there`: all of it is on the server.
  void Done(const std::filesystem::path& log, bool there);
  // How many rows all runs have.
  void SetAllRows(uint64_t rows);
  // Shows how far all is, where it is time to.
  void Tick();
  // A line of the result, on standard output.
  void Say(const std::string& line);
  // A line of what went wrong, on standard error.
  void Complain(const std::string& line);

  // Runs that are wholly there; rows that are there, of all runs.
  size_t done_runs();
  uint64_t rows();
  // Since it began.
  double seconds() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Sample {
    Time time;
    uint64_t rows = 0, bytes = 0;
  };
  void TellWait(const std::filesystem::path& log, const std::string& waiting) REQUIRES(mutex_);
  ProgressNumbers Numbers(Time now) REQUIRES(mutex_);
  void Write(bool result, const std::string& line) REQUIRES(mutex_);
  void Erase() REQUIRES(mutex_);

  const bool terminal_;
  const std::optional<size_t> runs_;
  const uint64_t all_bytes_;
  const int retry_for_;
  const Time began_;
  Mutex mutex_;
  std::optional<uint64_t> all_rows_ GUARDED_BY(mutex_);
  size_t done_ GUARDED_BY(mutex_) = 0;
  Run over_ GUARDED_BY(mutex_);  // of runs that are over, together
  std::map<std::filesystem::path, Run> running_ GUARDED_BY(mutex_);
  // That uploads before this one had brought there, which says nothing of its speed.
  uint64_t rows_before_ GUARDED_BY(mutex_) = 0, bytes_before_ GUARDED_BY(mutex_) = 0;
  std::deque<Sample> samples_ GUARDED_BY(mutex_);  // of the last seconds
  std::map<std::string, Time> told_waits_ GUARDED_BY(mutex_);
  std::string drawn_ GUARDED_BY(mutex_);  // the line that stands there
  Time told_ GUARDED_BY(mutex_);
};

}  // namespace flarebridge
