// JSON as W&B's server keeps protobuf messages in a config: a field is a member under its number, a
// set of flags is a list of theirs. Used by Telemetry and MetricDefinitions; pure, any thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>

namespace flarebridge::wandb {

// Adds "field": json to `out`, which holds an object that is still open.
void AppendMember(uint32_t field, const std::string& json, std::string& out);

// [1,3,5]
std::string ListOf(const std::set<uint32_t>& numbers);

}  // namespace flarebridge::wandb
