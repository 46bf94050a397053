#include "bridge/commands/run_words.h"

#include <algorithm>
#include <map>

#include "events/time_text.h"
#include "events/to_integer.h"

namespace flarebridge {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The digits at the begin of a text, without leading zeros.
std::string_view NumberAt(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of('0'), text.size());
  size_t end = begin;
  while (end < text.size() && IsDigit(text[end])) ++end;
  return text.substr(begin, end - begin);
}

size_t SameBegin(std::string_view a, std::string_view b) {
  return static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                             a.begin());
}

}  // namespace

bool NaturallyBefore(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    if (IsDigit(a.front()) && IsDigit(b.front())) {
      const std::string_view x = NumberAt(a), y = NumberAt(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      a.remove_prefix(static_cast<size_t>(x.end() - a.begin()));
      b.remove_prefix(static_cast<size_t>(y.end() - b.begin()));
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front();
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return a.size() < b.size();
}

const std::string& SiteOrName(const RunSummary& run) {
  if (!run.site.empty()) return run.site;
  return run.name.empty() ? run.id : run.name;
}

std::vector<std::string> ShortNames(const std::vector<const RunSummary*>& runs) {
  // The ids of a site, sorted: what one has in common with its neighbours does not tell it apart.
  std::map<std::string, std::vector<std::string>> ids;
  for (const RunSummary* run : runs) ids[SiteOrName(*run)].push_back(run->id);
  for (auto& [site, of_site] : ids) {
    std::sort(of_site.begin(), of_site.end());
    of_site.erase(std::unique(of_site.begin(), of_site.end()), of_site.end());
  }
  constexpr size_t kLeast = 4;
  std::vector<std::string> names;
  names.reserve(runs.size());
  for (const RunSummary* run : runs) {
    const std::vector<std::string>& of_site = ids[SiteOrName(*run)];
    names.push_back(SiteOrName(*run));
    if (of_site.size() == 1) continue;
    const auto at = std::lower_bound(of_site.begin(), of_site.end(), run->id);
    size_t same = kLeast - 1;
    if (at != of_site.begin()) same = std::max(same, SameBegin(run->id, *(at - 1)));
    if (at + 1 != of_site.end()) same = std::max(same, SameBegin(run->id, *(at + 1)));
    names.back().append(":").append(run->id.substr(0, same + 1));
  }
  return names;
}

std::string StateOf(const RunSummary& run) {
  std::string state = NameOf(run.state);
  if (run.state == RunSummary::State::kFailed)
    state += " (exit code " + std::to_string(run.exit_code) + ")";
  if (run.bad_bytes > 0)
    state += ", damaged: " + std::to_string(run.bad_bytes) + " bytes can't be read";
  return state;
}

std::string StartOf(const RunSummary& run) {
  return run.started > 0 ? LocalTimeText(ToInteger<int64_t>(run.started)) : "";
}

}  // namespace flarebridge
