// How many events are stored and not yet on disk in every receiver of their run: what a shim is
// told at its session's end, so that a process that takes the machine with it can wait. Pure; what
// it keeps of a run is bounded, and gets coarser where a run is far behind: then events count as
// unwritten until the last of their stretch is written. Used by the intake; the bridge's one
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>

namespace flarebridge {

class Unwritten {
 public:
  // Events of the run were stored, the last of them at the position, which is above earlier ones'.
  void Stored(int64_t run, uint64_t last_position, uint64_t count);
  // All receivers of the run have its events up to the position on disk.
  void Durable(int64_t run, uint64_t position);
  void Drop(int64_t run) { runs_.erase(run); }
  // Of all these runs.
  uint64_t Of(const std::set<int64_t>& runs) const;

 private:
  struct Stretch {
    uint64_t last_position = 0;
    uint64_t count = 0;
  };
  std::map<int64_t, std::deque<Stretch>> runs_;  // of each, the oldest first; none is empty
};

}  // namespace flarebridge
