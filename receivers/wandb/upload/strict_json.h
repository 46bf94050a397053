// A log's JSON, and a row that a server gives back, may hold the bare tokens NaN, Infinity and
// -Infinity, which are no JSON. Used for what must be JSON. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace flarebridge::wandb {

// These tokens become texts.
std::string StrictJson(std::string_view json);

}  // namespace flarebridge::wandb
