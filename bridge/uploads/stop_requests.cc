#include "bridge/uploads/stop_requests.h"

namespace flarebridge {

std::optional<std::string> StopRequests::Place(int64_t run, const UploadTarget& target) {
  const Key key{target.kind, target.path};
  runs_[key] = run;
  auto asked = waiting_.extract(key);
  return asked ? std::optional(std::move(asked.mapped())) : std::nullopt;
}

std::optional<int64_t> StopRequests::Asked(const UploadTarget& target, const std::string& words) {
  const Key key{target.kind, target.path};
  if (const auto run = runs_.find(key); run != runs_.end()) return run->second;
  if (waiting_.size() < kMostWaiting) waiting_[key] = words;
  return std::nullopt;
}

void StopRequests::Forget(int64_t run) {
  std::erase_if(runs_, [run](const auto& entry) { return entry.second == run; });
}

}  // namespace flarebridge
