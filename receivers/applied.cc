#include "receivers/applied.h"

#include <algorithm>

namespace flarebridge {

void MarkRecord(uint64_t journal, std::span<const uint64_t> positions, uint64_t later,
                AppliedMark& mark) {
  mark.journal = journal;
  mark.floor = later - 1;
  mark.positions.clear();
  for (const uint64_t position : positions) {
    if (position > mark.floor) mark.positions.push_back(position);
  }
}

void AppliedEvents::Take(const AppliedMark& mark) {
  if (mark.journal != journal_) return;
  knows_journal_ = true;
  floor_ = std::max(floor_, mark.floor);
  above_.insert(mark.positions.begin(), mark.positions.end());
  // The set stays as small as what is above the floor.
  above_.erase(above_.begin(), above_.upper_bound(floor_));
}

}  // namespace flarebridge
