#include "bridge/intake/router.h"

namespace flarebridge {

Router::Scope Router::FindScope(std::string_view owner, std::string_view job,
                                std::string_view run_name, std::string_view side) {
  const auto [found, added] = scopes_.try_emplace(
      {std::string(owner), std::string(job), std::string(run_name), std::string(side)},
      free_.empty() ? sites_.size() : free_.back());
  if (added && free_.empty()) {
    sites_.emplace_back();
  } else if (added) {
    free_.pop_back();
  }
  return found->second;
}

std::optional<int64_t> Router::Find(Scope scope, std::string_view site) const {
  const auto found = sites_[scope].find(site);
  if (found == sites_[scope].end()) return std::nullopt;
  return found->second;
}

void Router::Add(Scope scope, std::string_view site, int64_t run) {
  sites_[scope].emplace(std::string(site), run);
}

void Router::Remove(Scope scope, std::string_view site) { sites_[scope].erase(std::string(site)); }

void Router::KeepOnly(const std::set<Scope>& used) {
  for (auto scope = scopes_.begin(); scope != scopes_.end();) {
    if (used.contains(scope->second)) {
      ++scope;
      continue;
    }
    sites_[scope->second].clear();
    free_.push_back(scope->second);
    scope = scopes_.erase(scope);
  }
}

}  // namespace flarebridge
