// What people call runs and their states: short names that can be typed, words. Used by `show`.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "receivers/run_reader.h"

namespace flarebridge {

// Numbers in texts count as numbers: "site-2" is before "site-10".
bool NaturallyBefore(std::string_view a, std::string_view b);

// For each run a name that no other one has: its site, or the run's name where the log says no
// site; where several have that, ":" and the begin of the run's id, four characters or as many as
// it takes, are behind it. Parts of one run (one id) share a name.
std::vector<std::string> ShortNames(const std::vector<const RunSummary*>& runs);

// What a run is sorted and called by: its site, else its name, else its id.
const std::string& SiteOrName(const RunSummary& run);

// "finished", "failed (exit code 1)", and how much of it can't be read.
std::string StateOf(const RunSummary& run);
// Local time, to the minute; "" if the log does not say.
std::string StartOf(const RunSummary& run);

}  // namespace flarebridge
