// One object of media, and the lists that are made of several. Used by media.cc, media_list.cc
// and, for its members, table_effect.cc; pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/value.h"
#include "receivers/wandb/run/media.h"

namespace flarebridge::wandb {

using JsonMembers = std::vector<std::pair<std::string, std::string>>;  // key, JSON

struct MediaObject {
  std::string type;     // "image-file"
  std::string path;     // of its file
  JsonMembers members;  // with `_type`, `path`, `sha256` and `size`
  // A layer's name and members.
  std::vector<std::pair<std::string, JsonMembers>> masks, boxes;
  std::string caption;             // JSON, or empty
  uint32_t width = 0, height = 0;  // of an image, pixels
  std::string format;              // of an image
  std::optional<uint64_t> rate;    // of sound: per second
  std::optional<double> duration;  // of sound: seconds
};

// Folder below media/ and form as a list (empty: none of its own), by type.
struct MediaType {
  std::string_view type, folder, list;
  // Extensions, one behind the other, each between spaces; empty: the content tells.
  std::string_view extensions;
};
// Nothing: it is not known.
const MediaType* MediaTypeOf(std::string_view type);

// {"key":json,...}
std::string ObjectJson(const JsonMembers& members);
// The object with its masks and boxes.
std::string ObjectJson(const MediaObject& object);

// Members of the list that these, one at least, make; or no members: it is a plain list of them.
JsonMembers ListMembers(const std::vector<MediaObject>& objects);
std::string PlainList(const std::vector<MediaObject>& objects);

}  // namespace flarebridge::wandb
