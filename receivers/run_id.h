// The id of a run in names of files and on servers: a hash, so that names from outside never reach
// a path. Used by every receiver. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "events/run_spec.h"

namespace flarebridge {

// 16 characters of [a-z0-9], a hash of job, site, run name, the side if it is the client's, the
// user's own part (may be empty) and the owner if there are any: the same after every restart, and
// different for the two sides of a job that streams on both.
std::string RunId(const RunSpec& spec, std::string_view users_part);

// Whether a text may be such an id.
bool IsRunId(std::string_view text);

}  // namespace flarebridge
