#include "receivers/wandb/run/tag_keys.h"

#include <algorithm>

namespace flarebridge::wandb {

TagKeys::Outcome TagKeys::Set(std::string_view key, std::string_view tag,
                              std::vector<std::string>& tags) {
  const auto known = tag_of_.find(key);
  const auto old =
      known == tag_of_.end() ? tags.end() : std::find(tags.begin(), tags.end(), known->second);
  if (old != tags.end() && *old == tag) return Outcome::kSame;
  const bool there = tag.empty() || std::find(tags.begin(), tags.end(), tag) != tags.end();
  if (old != tags.end() && !there) {
    known->second = tag;
    *old = tag;
    return Outcome::kChanged;
  }
  if (known != tag_of_.end()) tag_of_.erase(known);
  if (old != tags.end()) {
    tags.erase(old);
    return Outcome::kChanged;
  }
  if (there) return Outcome::kSame;
  if (tags.size() >= kMost) return Outcome::kNoRoom;
  tags.emplace_back(tag);
  tag_of_.emplace(key, tag);
  return Outcome::kChanged;
}

}  // namespace flarebridge::wandb
