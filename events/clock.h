// The two clocks: one that only goes forward, for deadlines and waits, and the time of day as
// events and records have it. Any thread.
#pragma once

#include <chrono>

namespace flarebridge {

using Clock = std::chrono::steady_clock;

// Seconds since the epoch.
inline double EpochNow() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace flarebridge
