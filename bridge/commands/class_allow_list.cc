#include "bridge/commands/class_allow_list.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

namespace flarebridge {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSpace = " \t\r\n";
// What jobs name of us.
constexpr std::array<std::string_view, 2> kComponents = {"flarebridge.receiver.BridgeReceiver",
                                                         "flarebridge.forwarder.BridgeForwarder"};

// A component fits an entry that is its path, or its package or module.
bool Fits(std::string_view component, std::string_view entry) {
  if (entry.ends_with('.')) return component.starts_with(entry);
  return component == entry || component.starts_with(std::string(entry) + ".");
}

Expected<Json> Parse(std::string_view resources) {
  Json json = Json::parse(resources, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return Fail(ErrorCode::kCorrupt, "is no JSON object");
  return json;
}

// NVFlare lets nothing in by a list with anything else in it than names.
Expected<void> CheckList(const Json& list) {
  const bool names =
      list.is_array() && std::all_of(list.begin(), list.end(), [](const Json& entry) {
        return entry.is_string() && !entry.get_ref<const std::string&>().empty();
      });
  if (names) return {};
  return Fail(ErrorCode::kCorrupt, std::string(kAllowList) + " is no list of names");
}

// Behind the text's closing quote; the text begins at `at`.
size_t EndOfText(std::string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

// Where things are in the text of the object: places of bytes.
struct Place {
  size_t closing = 0;     // the list's closing bracket
  size_t last_begin = 0;  // the list's last entry; 0: it has none
  size_t last_end = 0;    // behind it
};

// Of the list at the object's top; of several of this name the last one counts, as in Python.
std::optional<Place> FindList(std::string_view json) {
  const std::string key = '"' + std::string(kAllowList) + '"';
  std::optional<Place> found;
  Place list;
  int depth = 0;
  bool inside = false;
  for (size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') {
      const size_t end = EndOfText(json, at);
      const size_t colon = json.find_first_not_of(kSpace, end);
      const bool named = depth == 1 && json.substr(at, end - at) == key;
      if (inside) {
        list.last_begin = at;
        list.last_end = end;
      } else if (named && colon < json.size() && json[colon] == ':') {
        const size_t opening = json.find_first_not_of(kSpace, colon + 1);
        inside = opening < json.size() && json[opening] == '[';
        list = Place();
      }
      at = end - 1;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      --depth;
      if (inside && depth == 1) {
        list.closing = at;
        found = list;
        inside = false;
      }
    }
  }
  return found;
}

// The space in front of a place, so that another entry can stand as this one does.
std::string_view SpaceBefore(std::string_view json, size_t at) {
  const size_t begin = json.find_last_not_of(kSpace, at - 1) + 1;
  return json.substr(begin, at - begin);
}

}  // namespace

Expected<Standing> StandingOf(std::string_view resources) {
  const Expected<Json> json = Parse(resources);
  if (!json) return Propagate(json);
  const auto found = json->find(kAllowList);
  if (found == json->end()) return Standing::kNoList;
  if (const Expected<void> checked = CheckList(*found); !checked) return Propagate(checked);
  const bool all = std::all_of(kComponents.begin(), kComponents.end(), [&](std::string_view ours) {
    return std::any_of(found->begin(), found->end(), [ours](const Json& entry) {
      const auto& text = entry.get_ref<const std::string&>();
      return text == "*" || Fits(ours, text);
    });
  });
  return all ? Standing::kAllowed : Standing::kNotListed;
}

Expected<std::string> WithOurPackage(std::string_view resources) {
  Expected<Json> wanted = Parse(resources);
  if (!wanted) return Propagate(wanted);
  const std::optional<Place> list = FindList(resources);
  const auto unknown = [] {
    return Fail(ErrorCode::kUnsupported,
                std::string("its ") + std::string(kAllowList) +
                    " can't be found in the text; add \"flarebridge.\" by hand");
  };
  if (!list) return unknown();
  std::string text(resources);
  const std::string entry = '"' + std::string(kOurPackage) + '"';
  if (list->last_begin == 0) {
    text.insert(list->closing, entry);
  } else {
    const std::string_view space = SpaceBefore(resources, list->last_begin);
    text.insert(list->last_end, "," + std::string(space) + entry);
  }
  // What a scan of the text has found is believed only if the result is what was meant.
  const auto found = wanted->find(kAllowList);
  if (found == wanted->end() || !found->is_array()) return unknown();
  found->push_back(std::string(kOurPackage));
  if (Json::parse(text, nullptr, false) != *wanted) return unknown();
  return text;
}

Expected<std::string> WithNewList(std::string_view resources, std::string_view list) {
  const Expected<Json> json = Parse(resources);
  if (!json) return Propagate(json);
  Json names = Json::parse(list, nullptr, false);
  if (const Expected<void> checked = CheckList(names); !checked) return Propagate(checked);
  names.push_back(std::string(kOurPackage));
  std::string text(resources);
  const std::string member =
      "\n  \"" + std::string(kAllowList) + "\": " + names.dump() + (json->empty() ? "\n" : ",");
  text.insert(text.find('{') + 1, member);
  return text;
}

}  // namespace flarebridge
