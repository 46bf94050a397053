// The list of component classes that an NVFlare site lets jobs use, `class_allow_list` in its
// resources (nvflare/app_common/widgets/component_path_authorizer.py, 2.8 and later), as text: what
// it says of flarebridge, and the text with flarebridge in it. Used by `flarebridge allow`. Pure.
#pragma once

#include <string>
#include <string_view>

#include "events/error.h"

namespace flarebridge {

// The entry that lets all of our components in: an entry that ends with a dot is a package.
inline constexpr std::string_view kOurPackage = "flarebridge.";
inline constexpr std::string_view kAllowList = "class_allow_list";

enum class Standing {
  kAllowed,    // each of our components is on the list
  kNotListed,  // there is a list, without us
  kNoList,     // NVFlare's own is in force (2.8.1 and later), or none (up to 2.7)
};

// `resources`: the JSON of resources.json. Errors: kCorrupt, where NVFlare could not read it
// either.
Expected<Standing> StandingOf(std::string_view resources);

// The text with our package behind the list's last entry, and nothing else changed. Errors:
// kCorrupt; kUnsupported where the list can't be found in the text, as with a key that is written
// with escapes.
Expected<std::string> WithOurPackage(std::string_view resources);

// The text with a list where there was none: `list`, the JSON of an array of names, and our
// package. Errors: kCorrupt, also of `list`.
Expected<std::string> WithNewList(std::string_view resources, std::string_view list);

}  // namespace flarebridge
