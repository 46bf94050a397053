// Lists of media, each in the form that W&B's SDK gives those of its type (seq_to_json of
// wandb/sdk/data_types/ at 0.31.0).
#include <algorithm>

#include "receivers/json.h"
#include "receivers/wandb/run/media_object.h"

namespace flarebridge::wandb {
namespace {

std::string TextJson(std::string_view text) { return ToJson(text); }

std::string IntegerJson(uint64_t number) { return ToJson(static_cast<int64_t>(number)); }

// A list of what `json` says of each object.
template <class Json>
std::string ListJson(const std::vector<MediaObject>& objects, Json json) {
  std::string list = "[";
  for (const MediaObject& object : objects) {
    if (list.size() > 1) list += ',';
    list += json(object);
  }
  return list + "]";
}

template <class Has>
bool Any(const std::vector<MediaObject>& objects, Has has) {
  return std::any_of(objects.begin(), objects.end(), has);
}

using Layers = std::vector<std::pair<std::string, JsonMembers>>;

std::string LayersJson(const Layers& layers) {
  JsonMembers members;
  for (const auto& [name, layer] : layers) members.emplace_back(name, ObjectJson(layer));
  return ObjectJson(members);
}

std::string Captions(const std::vector<MediaObject>& objects, std::string_view missing) {
  return ListJson(objects, [missing](const MediaObject& object) {
    return object.caption.empty() ? std::string(missing) : object.caption;
  });
}

void AddImages(const std::vector<MediaObject>& objects, JsonMembers& list) {
  const MediaObject& first = objects.front();
  list.emplace_back("width", IntegerJson(first.width));
  list.emplace_back("height", IntegerJson(first.height));
  list.emplace_back("format", TextJson(first.format));
  list.emplace_back("filenames", ListJson(objects, [](const MediaObject& object) {
                      return TextJson(object.path);
                    }));
  if (!first.caption.empty()) list.emplace_back("captions", Captions(objects, "null"));
  const auto add_layers = [&](const char* key, Layers MediaObject::*layers) {
    if (!Any(objects, [&](const MediaObject& object) { return !(object.*layers).empty(); })) return;
    list.emplace_back(key, ListJson(objects, [&](const MediaObject& object) {
                        return (object.*layers).empty() ? "null" : LayersJson(object.*layers);
                      }));
  };
  add_layers("all_masks", &MediaObject::masks);
  add_layers("all_boxes", &MediaObject::boxes);
}

void AddSounds(const std::vector<MediaObject>& objects, JsonMembers& list) {
  list.emplace_back("audio", PlainList(objects));
  list.emplace_back("sampleRates", ListJson(objects, [](const MediaObject& object) {
                      return object.rate ? IntegerJson(*object.rate) : "null";
                    }));
  list.emplace_back("durations", ListJson(objects, [](const MediaObject& object) {
                      return object.duration ? ToJson(*object.duration) : "null";
                    }));
  if (Any(objects, [](const MediaObject& object) { return !object.caption.empty(); }))
    list.emplace_back("captions", Captions(objects, "\"\""));
}

// `false` where the first has none, as the SDK has it.
void AddCaptionsOfAll(const std::vector<MediaObject>& objects, JsonMembers& list) {
  list.emplace_back("captions",
                    objects.front().caption.empty() ? "false" : Captions(objects, "null"));
}

void AddFilenames(const std::vector<MediaObject>& objects, std::string_view below,
                  JsonMembers& list) {
  list.emplace_back("filenames", ListJson(objects, [below](const MediaObject& object) {
                      return TextJson(std::string_view(object.path).substr(below.size()));
                    }));
}

}  // namespace

std::string ObjectJson(const JsonMembers& members) {
  std::string json = "{";
  for (const auto& [key, value] : members) {
    if (json.size() > 1) json += ',';
    json += TextJson(key) + ":" + value;
  }
  return json + "}";
}

std::string ObjectJson(const MediaObject& object) {
  JsonMembers members = object.members;
  if (!object.masks.empty()) members.emplace_back("masks", LayersJson(object.masks));
  if (!object.boxes.empty()) members.emplace_back("boxes", LayersJson(object.boxes));
  return ObjectJson(members);
}

std::string PlainList(const std::vector<MediaObject>& objects) {
  return ListJson(objects, [](const MediaObject& object) { return ObjectJson(object); });
}

JsonMembers ListMembers(const std::vector<MediaObject>& objects) {
  const std::string& type = objects.front().type;
  const std::string_view form = MediaTypeOf(type)->list;
  if (form.empty() || Any(objects, [&](const MediaObject& object) { return object.type != type; }))
    return {};
  JsonMembers list;
  list.emplace_back("_type", TextJson(form));
  list.emplace_back("count", IntegerJson(objects.size()));
  if (form == "images/separated") AddImages(objects, list);
  if (form == "audio") AddSounds(objects, list);
  if (form == "html") list.emplace_back("html", PlainList(objects));
  if (form == "videos") {
    list.emplace_back("videos", PlainList(objects));
    AddCaptionsOfAll(objects, list);
  }
  if (form == "object3D") {
    AddFilenames(objects, "media/object3D/", list);
    list.emplace_back("objects", PlainList(objects));
  }
  if (form == "molecule") {
    AddFilenames(objects, "", list);
    AddCaptionsOfAll(objects, list);
  }
  return list;
}

}  // namespace flarebridge::wandb
