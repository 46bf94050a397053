#include "receivers/wandb/run/media.h"

#include <algorithm>
#include <array>
#include <deque>

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
  Reader(const PathOfFile& path_of, BlobFolder& blobs) : path_of_(path_of), blobs_(blobs) {}

  // Each gives false where the value is no such thing.
  bool ReadObject(const Value& value, MediaObject& object);
  bool ReadList(const Value& items, std::vector<MediaObject>& objects);
  Media& media() { return media_; }

 private:
  bool ReadImageFile(const Value& value, MediaObject& object);
  bool ReadLayers(const Value& value, MediaObject& object);
  bool ReadSound(const Value& value, std::string& content, std::string& extension,
                 MediaObject& object);
  // The bytes under a key, from the value or from a large value that it names; valid as long as
  // this reader.
  std::optional<std::string_view> BytesOf(const Value& map, std::string_view key);
  std::optional<Image> ReadImageFile(const Value& value);
  // The file under "data", as it is: in `content`, or a large value. Gives its SHA-256; empty: it
  // is none.
  std::string ReadWholeFile(const Value& value, std::string& content, std::optional<BlobRef>& blob);
  // Adds a file, and what an object says of it.
  std::string AddFile(std::string_view folder, std::string_view extension, Media::File file,
                      const std::string& sha256, JsonMembers& members);
  void AddLabels(const char* kind, std::string_view layer, const Value& labels);

  const PathOfFile& path_of_;
  BlobFolder& blobs_;
  std::deque<std::string> loaded_;
  Media media_;
};

std::optional<std::string_view> Reader::BytesOf(const Value& map, std::string_view key) {
  if (const auto bytes = BinaryOf(map, key)) return bytes;
  const std::optional<BlobRef> blob = BlobOf(map.Find(key).value_or(Value()));
  std::optional<std::string> content = blob ? blobs_.Content(*blob) : std::nullopt;
  if (!content) return std::nullopt;
  return loaded_.emplace_back(std::move(*content));
}

std::string Reader::ReadWholeFile(const Value& value, std::string& content,
                                  std::optional<BlobRef>& blob) {
  if (const auto bytes = BinaryOf(value, "data")) {
    content = *bytes;
    return HexSha256(content);
  }
  blob = BlobOf(value.Find("data").value_or(Value()));
  return blob ? blobs_.Sha256(*blob).value_or("") : std::string();
}

std::string Reader::AddFile(std::string_view folder, std::string_view extension, Media::File file,
                            const std::string& sha256, JsonMembers& members) {
  file.path = path_of_(folder, sha256, extension);
  const uint64_t size = file.blob ? file.blob->size : file.content.size();
  members.emplace_back("sha256", ToJson(std::string_view(sha256)));
  members.emplace_back("size", ToJson(static_cast<int64_t>(size)));
  members.emplace_back("path", ToJson(std::string_view(file.path)));
  media_.files.push_back(std::move(file));
  return media_.files.back().path;
}

void Reader::AddLabels(const char* kind, std::string_view layer, const Value& labels) {
  if (labels.kind() == ValueKind::kMap)
    media_.labels.push_back({kind, std::string(layer), ToJson(labels)});
}

bool Reader::ReadLayers(const Value& value, MediaObject& object) {
  bool fine = true;
  value.Find("masks").value_or(Value()).ForEachPair([&](std::string_view layer, const Value& mask) {
    const auto bytes = BytesOf(mask, "data");
    std::optional<Image> image = bytes ? ReadMask(mask, *bytes) : std::nullopt;
    fine = fine && image;
    if (!image) return;
    JsonMembers members = {{"_type", "\"mask\""}};
    AddFile("images/mask", ".mask.png", {{}, std::move(image->file)}, image->sha256, members);
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
    AddFile("metadata/boxes2D", ".boxes2D.json", {{}, std::move(content)}, sha256, members);
    object.boxes.emplace_back(layer, std::move(members));
    AddLabels("bounding_box/class_labels", layer, set.Find("class_labels").value_or(Value()));
  });
  return fine;
}

std::optional<Image> Reader::ReadImageFile(const Value& value) {
  constexpr size_t kHead = size_t{1} << 20;
  if (const std::optional<Value> pixels = value.Find("pixels")) {
    const auto bytes = BytesOf(*pixels, "data");
    return bytes ? ReadPixels(*pixels, *bytes) : std::nullopt;
  }
  const Value data = value.Find("data").value_or(Value());
  const std::optional<BlobRef> blob = BlobOf(data);
  if (!blob) return ReadImage(data);
  const std::optional<std::string> head = blobs_.Head(*blob, kHead);
  std::optional<Image> image = head ? ReadImageHead(*head) : std::nullopt;
  const std::optional<std::string> sha256 = image ? blobs_.Sha256(*blob) : std::nullopt;
  if (!sha256) return std::nullopt;
  image->sha256 = *sha256;
  return image;
}

bool Reader::ReadImageFile(const Value& value, MediaObject& object) {
  std::optional<Image> image = ReadImageFile(value);
  if (!image) return false;
  std::optional<BlobRef> blob;
  if (!value.Find("pixels")) blob = BlobOf(value.Find("data").value_or(Value()));
  object.width = image->width;
  object.height = image->height;
  // A JPEG file goes by two endings; a script's own is kept.
  const bool is_jpg = image->format == "jpeg" && TextOf(value, "ext") == ".jpg";
  object.format = is_jpg ? "jpg" : image->format;
  object.members.emplace_back("format", ToJson(std::string_view(object.format)));
  object.members.emplace_back("width", ToJson(static_cast<int64_t>(image->width)));
  object.members.emplace_back("height", ToJson(static_cast<int64_t>(image->height)));
  object.path = AddFile("images", "." + object.format, {{}, std::move(image->file), blob},
                        image->sha256, object.members);
  return ReadLayers(value, object);
}

bool Reader::ReadSound(const Value& value, std::string& content, std::string& extension,
                       MediaObject& object) {
  const auto samples = BytesOf(value, "pcm16");
  object.rate = value.Find("rate").value_or(Value()).AsUint64();
  if (!samples) return !value.Find("pcm16");
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
    std::string content;
    std::string sha256;
    std::optional<BlobRef> blob;
    std::string extension(TextOf(value, "ext"));
    const bool has_samples = object.type == "audio-file" && value.Find("pcm16");
    if (object.type == "audio-file" && !ReadSound(value, content, extension, object)) return false;
    sha256 = has_samples ? HexSha256(content) : ReadWholeFile(value, content, blob);
    if (sha256.empty()) return false;
    // The text stands in the table as a whole.
    if (extension.find(' ') != std::string::npos ||
        type->extensions.find(" " + extension + " ") == std::string_view::npos)
      return false;
    object.path =
        AddFile(type->folder, extension, {{}, std::move(content), blob}, sha256, object.members);
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

std::optional<Media> ReadMedia(const Value& value, const PathOfFile& path_of, BlobFolder& blobs) {
  Reader reader(path_of, blobs);
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
