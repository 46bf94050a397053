// Takes JSON apart that somebody else wrote, without a tree of it: the members of an object and the
// items of a list as they stand, and texts without their escapes. It checks no more than it needs:
// a value that is no JSON is given as it stands, and nothing is read beyond the text. Used by those
// who read logs. Pure; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge {

// Calls visit for each member of an object: the key's JSON, with its quotes, and the value's.
// False: the text is no object, or is not one to its end.
bool VisitMembers(std::string_view json,
                  const std::function<void(std::string_view key, std::string_view value)>& visit);

// The same of a list's items.
bool VisitItems(std::string_view json, const std::function<void(std::string_view item)>& visit);

// A JSON text as UTF-8; halves of surrogate pairs become U+FFFD. Nothing: it is no text.
std::optional<std::string> TextIn(std::string_view json);

}  // namespace flarebridge
