#include "bridge/intake/unwritten.h"

#include <cstddef>

namespace flarebridge {
namespace {

// Of one run; a run that keeps up has one or two.
constexpr size_t kMostStretches = 256;

}  // namespace

void Unwritten::Stored(int64_t run, uint64_t last_position, uint64_t count) {
  std::deque<Stretch>& stretches = runs_[run];
  if (stretches.size() < kMostStretches) {
    stretches.push_back({last_position, count});
    return;
  }
  stretches.back().last_position = last_position;
  stretches.back().count += count;
}

void Unwritten::Durable(int64_t run, uint64_t position) {
  const auto found = runs_.find(run);
  if (found == runs_.end()) return;
  std::deque<Stretch>& stretches = found->second;
  while (!stretches.empty() && stretches.front().last_position <= position) stretches.pop_front();
  if (stretches.empty()) runs_.erase(found);
}

uint64_t Unwritten::Of(const std::set<int64_t>& runs) const {
  uint64_t count = 0;
  for (const int64_t run : runs) {
    const auto found = runs_.find(run);
    if (found == runs_.end()) continue;
    for (const Stretch& stretch : found->second) count += stretch.count;
  }
  return count;
}

}  // namespace flarebridge
