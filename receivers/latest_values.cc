#include "receivers/latest_values.h"

#include <utility>

namespace flarebridge {

bool LatestValues::Set(const std::string& key, std::string json) {
  Remove(key);
  const size_t bytes = key.size() + json.size();
  if (values_.size() >= kMaxKeys || bytes_ + bytes > kMaxBytes) return false;
  bytes_ += bytes;
  values_.emplace(key, std::move(json));
  return true;
}

void LatestValues::Remove(const std::string& key) {
  const auto found = values_.find(key);
  if (found == values_.end()) return;
  bytes_ -= found->first.size() + found->second.size();
  values_.erase(found);
}

}  // namespace flarebridge
