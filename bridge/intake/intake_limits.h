// What the intake takes at most, and where runs of clients with keys lie: set by `serve`, obeyed by
// sessions and commits. Plain values, any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace flarebridge {

struct IntakeLimits {
  uint64_t journal_bytes = uint64_t{1} << 30;  // stored events beyond which none are taken
  // What a job or, of those with keys, a client has stored may be as much as what is free; so none
  // fills the journal for the others. Without it one may fill it all.
  bool shares = false;
  uint64_t session_credit = uint64_t{4} << 20;  // bytes under way per session
  uint64_t total_credit = uint64_t{32} << 20;   // bytes under way of all sessions together
  size_t runs = 1000;                           // each is a process
  size_t sessions = 1000;
  // A session that has ended, was given up or has opened nothing is forgotten after this silence;
  // nothing: never, as where a bridge serves one job only.
  std::optional<std::chrono::seconds> forget_after;
  std::string clients_folder;  // absolute; runs of clients with keys are in a folder each below it
  std::string blobs_folder;    // absolute; where workers find large values, or empty
};

}  // namespace flarebridge
