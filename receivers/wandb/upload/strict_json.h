// A log's JSON, and a row that a server gives back, may hold the bare tokens NaN, Infinity and
// -Infinity, which are no JSON; and a log may hold a value that is none at all. Used for what must
// be JSON. Any thread.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

// These tokens become texts.
std::string StrictJson(std::string_view json);

// The text is one value, in which these tokens may stand: how many objects and lists lie in each
// other in it, 0 of a number. Nothing: it is no JSON.
std::optional<size_t> JsonDepth(std::string_view text);
inline bool IsJson(std::string_view text) { return JsonDepth(text).has_value(); }

// The members of an object: key, and value as it stands there. Of what is no object there are none.
void VisitMembers(std::string_view json,
                  const std::function<void(std::string key, std::string_view json)>& visit);

}  // namespace flarebridge::wandb
