#include "receivers/wandb/run/media.h"

#include <algorithm>
#include <array>

#include "receivers/files/stable_hash.h"
#include "receivers/json.h"
#include "receivers/wandb/run/image.h"
#include "receivers/wandb/run/media_object.h"
#include "receivers/wandb/run/run_files.h"
#include "receivers/wandb/run/wav.h"

namespace flarebridge::wandb {
namespace {

// W&B's SDK keeps so many images of a list (Image.MAX_ITEMS at 0.31.0).
constexpr size_t kMostImages = 108;

constexpr std::array<MediaType, 9> kTypes = {
    {{"image-file", "images", "images/separated", ""},
     {"audio-file", "audio", "audio", " .wav .mp3 .ogg .flac .m4a .aac .opus "},
     {"video-file", "videos", "videos", " .gif .mp4 .webm .ogg "},
     {"html-file", "html", "html", " .html "},
     {"object3D-file", "object3D", "object3D", " .pts.json .obj .gltf .glb .babylon .stl "},
     {"molecule-file", "molecule", "molecule",
      " .pdb .pqr .mmcif .mcif .cif .sdf .sd .gro .mol2 .mmtf "},
     {"plotly-file", "plotly", "", " .plotly.json "},
     {"bokeh-file", "bokeh", "", " .bokeh.json "},
     {"graph-file", "graph", "", " .graph.json "}}};

// What is no member of the row's object: it says how the object is made, or is made here.
constexpr std::string_view kReserved[] = {"_type", "data",     "ext",    "in",    "pcm16",
                                          "rate",  "channels", "pixels", "masks", "boxes",
                                          "items", "path",     "sha256", "size"};

std::string_view TextOf(const Value& map, std::string_view key) {
  return map.Find(key).value_or(Value()).AsText().value_or(std::string_view());
}

std::optional<std::string_view> BinaryOf(const Value& map, std::string_view key) {
  const Value value = map.Find(key).value_or(Value());
  if (value.kind() != ValueKind::kBinary) return std::nullopt;
  return value.node().text;
}

class Reader {
 public:
  explicit Reader(const PathOfFile& path_of) : path_of_(path_of) {}

  // Each gives false where the value is no such thing.
  bool ReadObject(const Value& value, MediaObject& object);
  bool ReadList(const Value& items, std::vector<MediaObject>& objects);
  Media& media() { return media_; }

 private:
  bool ReadImageFile(const Value& value, MediaObject& object);
  bool ReadLayers(const Value& value, MediaObject& object);
  bool ReadSound(const Value& value, std::string& content, std::string& extension,
                 MediaObject& object);
  // Adds a file, and what an object says of it.
  std::string AddFile(std::string_view folder, std::string_view extension, std::string content,
                      const std::string& sha256, JsonMembers& members);
  void AddLabels(const char* kind, std::string_view layer, const Value& labels);

  const PathOfFile& path_of_;
  Media media_;
};

std::string Reader::AddFile(std::string_view folder, std::string_view extension,
                            std::string content, const std::string& sha256, JsonMembers& members) {
  std::string path = path_of_(folder, sha256, extension);
  members.emplace_back("sha256", ToJson(std::string_view(sha256)));
  members.emplace_back("size", ToJson(static_cast<int64_t>(content.size())));
  members.emplace_back("path", ToJson(std::string_view(path)));
  media_.files.push_back({path, std::move(content)});
  return path;
}

void Reader::AddLabels(const char* kind, std::string_view layer, const Value& labels) {
  if (labels.kind() == ValueKind::kMap)
    media_.labels.push_back({kind, std::string(layer), ToJson(labels)});
}

bool Reader::ReadLayers(const Value& value, MediaObject& object) {
  bool fine = true;
  value.Find("masks").value_or(Value()).ForEachPair([&](std::string_view layer, const Value& mask) {
    std::optional<Image> image = ReadMask(mask);
    fine = fine && image;
    if (!image) return;
    JsonMembers members = {{"_type", "\"mask\""}};
    AddFile("images/mask", ".mask.png", std::move(image->file), image->sha256, members);
    object.masks.emplace_back(layer, std::move(members));
    AddLabels("mask/class_labels", layer, mask.Find("class_labels").value_or(Value()));
  });
  value.Find("boxes").value_or(Value()).ForEachPair([&](std::string_view layer, const Value& set) {
    const bool list = set.Find("box_data").value_or(Value()).kind() == ValueKind::kList;
    fine = fine && list;
    if (!list) return;
    std::string content = ToJson(set);
    const std::string sha256 = HexSha256(content);
    JsonMembers members = {{"_type", "\"boxes2D\""}};
    AddFile("metadata/boxes2D", ".boxes2D.json", std::move(content), sha256, members);
    object.boxes.emplace_back(layer, std::move(members));
    AddLabels("bounding_box/class_labels", layer, set.Find("class_labels").value_or(Value()));
  });
  return fine;
}

bool Reader::ReadImageFile(const Value& value, MediaObject& object) {
  const std::optional<Value> pixels = value.Find("pixels");
  std::optional<Image> image = ReadImage(pixels ? *pixels : value.Find("data").value_or(Value()));
  if (!image) return false;
  object.width = image->width;
  object.height = image->height;
  // A JPEG file goes by two endings; a script's own is kept.
  const bool is_jpg = image->format == "jpeg" && TextOf(value, "ext") == ".jpg";
  object.format = is_jpg ? "jpg" : image->format;
  object.members.emplace_back("format", ToJson(std::string_view(object.format)));
  object.members.emplace_back("width", ToJson(static_cast<int64_t>(image->width)));
  object.members.emplace_back("height", ToJson(static_cast<int64_t>(image->height)));
  object.path =
      AddFile("images", "." + object.format, std::move(image->file), image->sha256, object.members);
  return ReadLayers(value, object);
}

bool Reader::ReadSound(const Value& value, std::string& content, std::string& extension,
                       MediaObject& object) {
  const auto samples = BinaryOf(value, "pcm16");
  object.rate = value.Find("rate").value_or(Value()).AsUint64();
  if (!samples) return true;
  const uint64_t channels = value.Find("channels").value_or(Value()).AsUint64().value_or(1);
  std::optional<std::string> file = WavFile(*samples, object.rate.value_or(0), channels);
  if (!file) return false;
  const uint64_t samples_of_one = samples->size() / (2 * channels);
  object.duration = static_cast<double>(samples_of_one) / static_cast<double>(*object.rate);
  content = std::move(*file);
  extension = ".wav";
  return true;
}

bool Reader::ReadObject(const Value& value, MediaObject& object) {
  const MediaType* const type = MediaTypeOf(TextOf(value, "_type"));
  if (type == nullptr) return false;
  object.type = type->type;
  object.members.emplace_back("_type", ToJson(type->type));
  const bool is_image = type->extensions.empty();
  if (is_image) {
    if (!ReadImageFile(value, object)) return false;
  } else {
    std::string content(BinaryOf(value, "data").value_or(std::string_view()));
    std::string extension(TextOf(value, "ext"));
    const bool has_samples = object.type == "audio-file" && value.Find("pcm16");
    if (object.type == "audio-file" && !ReadSound(value, content, extension, object)) return false;
    if (!has_samples && !BinaryOf(value, "data")) return false;
    // The text stands in the table as a whole.
    if (extension.find(' ') != std::string::npos ||
        type->extensions.find(" " + extension + " ") == std::string_view::npos)
      return false;
    const std::string sha256 = HexSha256(content);
    object.path = AddFile(type->folder, extension, std::move(content), sha256, object.members);
  }
  value.ForEachPair([&](std::string_view key, const Value& member) {
    const bool reserved =
        std::find(std::begin(kReserved), std::end(kReserved), key) != std::end(kReserved) ||
        (is_image && (key == "format" || key == "width" || key == "height"));
    if (reserved || member.IsNull()) return;
    object.members.emplace_back(key, ToJson(member));
    if (key == "caption") object.caption = object.members.back().second;
  });
  return true;
}

bool Reader::ReadList(const Value& items, std::vector<MediaObject>& objects) {
  bool fine = true;
  items.ForEachItem([&](const Value& item) {
    if (objects.size() >= kMostImages && objects.front().type == "image-file") return;
    fine = fine && ReadObject(item, objects.emplace_back());
  });
  return fine && !objects.empty();
}

// The leaves of one object.
std::vector<Media::Leaf> LeavesOf(const MediaObject& object) {
  std::vector<Media::Leaf> leaves;
  for (const auto& [key, json] : object.members) leaves.push_back({{key}, json});
  const auto add = [&leaves](const char* group, const auto& layers) {
    for (const auto& [layer, members] : layers) {
      for (const auto& [key, json] : members) leaves.push_back({{group, layer, key}, json});
    }
  };
  add("masks", object.masks);
  add("boxes", object.boxes);
  return leaves;
}

}  // namespace

const MediaType* MediaTypeOf(std::string_view type) {
  const auto* const found = std::find_if(
      kTypes.begin(), kTypes.end(), [&](const MediaType& known) { return known.type == type; });
  return found == kTypes.end() ? nullptr : found;
}

std::optional<Media> ReadMedia(const Value& value, const PathOfFile& path_of) {
  Reader reader(path_of);
  if (TextOf(value, "_type") != "list") {
    MediaObject object;
    if (!reader.ReadObject(value, object)) return std::nullopt;
    reader.media().leaves = LeavesOf(object);
    return std::move(reader.media());
  }
  std::vector<MediaObject> objects;
  if (!reader.ReadList(value.Find("items").value_or(Value()), objects)) return std::nullopt;
  const JsonMembers list = ListMembers(objects);
  if (list.empty()) reader.media().leaves.push_back({{}, PlainList(objects)});
  for (const auto& [key, json] : list) reader.media().leaves.push_back({{key}, json});
  return std::move(reader.media());
}

}  // namespace flarebridge::wandb
