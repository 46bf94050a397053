// Which run an event belongs to: a pure table from (job, run name, side) and site to a run's
// number. Looking up allocates nothing. Used by the intake, on the bridge's one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace flarebridge {

class Router {
 public:
  // All sessions of one job that stream the same run on the same side feed the same runs.
  using Scope = size_t;

  // The scope of these four; the same four give the same scope. `owner`: whose key the job came
  // with, or empty.
  Scope FindScope(std::string_view owner, std::string_view job, std::string_view run_name,
                  std::string_view side);
  // The run of a site, or nothing if the site is not known yet.
  std::optional<int64_t> Find(Scope scope, std::string_view site) const;
  void Add(Scope scope, std::string_view site, int64_t run);
  void Remove(Scope scope, std::string_view site);
  // Forgets all other scopes; their numbers are given again.
  void KeepOnly(const std::set<Scope>& used);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Sites = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;

  std::map<std::tuple<std::string, std::string, std::string, std::string>, Scope> scopes_;
  std::vector<Sites> sites_;
  std::vector<Scope> free_;
};

}  // namespace flarebridge
