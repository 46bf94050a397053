#include "receivers/jsonl/line_fields.h"

#include <sodium.h>

#include <array>
#include <charconv>

#include "receivers/json.h"
#include "receivers/json_scan.h"
#include "receivers/pixels_png.h"

namespace flarebridge::jsonl {
namespace {

constexpr std::string_view kPlace = "line ";

struct Member {
  std::string_view name;  // as it stands in a line
  std::string_view LineFields::*field;
};
constexpr std::array<Member, 15> kMembers = {{{"\"time\"", &LineFields::time},
                                              {"\"site\"", &LineFields::site},
                                              {"\"type\"", &LineFields::type},
                                              {"\"tag\"", &LineFields::tag},
                                              {"\"step\"", &LineFields::step},
                                              {"\"path\"", &LineFields::path},
                                              {"\"value\"", &LineFields::value},
                                              {"\"text\"", &LineFields::text},
                                              {"\"values\"", &LineFields::values},
                                              {"\"list\"", &LineFields::list},
                                              {"\"base64\"", &LineFields::base64},
                                              {"\"nonfinite\"", &LineFields::nonfinite},
                                              {"\"job\"", &LineFields::job},
                                              {"\"run\"", &LineFields::run},
                                              {"\"side\"", &LineFields::side}}};

template <class Number>
std::optional<Number> ParsedAs(std::string_view json) {
  Number number{};
  const auto [end, failed] = std::from_chars(json.data(), json.data() + json.size(), number);
  if (json.empty() || failed != std::errc() || end != json.data() + json.size()) return {};
  return number;
}

std::string_view MemberOf(std::string_view json, std::string_view name) {
  std::string_view found;
  VisitMembers(json, [&](std::string_view key, std::string_view value) {
    if (key.size() == name.size() + 2 && key.substr(1, name.size()) == name) found = value;
  });
  return found;
}

std::optional<std::string> FromBase64(std::string_view json) {
  if (json.size() < 2 || json.front() != '"') return {};
  json = json.substr(1, json.size() - 2);
  std::string bytes(json.size() / 4 * 3 + 3, '\0');
  size_t size = 0;
  const int failed =
      sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), json.data(),
                        json.size(), nullptr, &size, nullptr, sodium_base64_VARIANT_ORIGINAL);
  if (failed != 0) return {};
  bytes.resize(size);
  return bytes;
}

// Puts the leaves of a dict together with what the line says of numbers that are not finite.
class Leaves {
 public:
  Leaves(std::string_view nonfinite, Cells& cells) : cells_(cells) {
    VisitMembers(nonfinite, [this](std::string_view path, std::string_view word) {
      words_.emplace(TextOf(path), TextOf(word));
    });
  }

  // `key`: of the cell; `path`: as the line names it among its numbers.
  void Add(const std::string& key, const std::string& path, std::string_view json, int levels) {
    if (json.starts_with('{') && levels > 0) {
      VisitMembers(json, [&](std::string_view name, std::string_view value) {
        const std::string text = TextOf(name);
        Add(key.empty() ? text : key + '.' + text, path.empty() ? text : path + '/' + text, value,
            levels - 1);
      });
      return;
    }
    const auto word = json == "null" ? words_.find(path.empty() ? "value" : path) : words_.end();
    cells_.emplace_back(key, word == words_.end() ? std::string(json) : word->second);
  }

 private:
  Cells& cells_;
  std::map<std::string, std::string> words_;  // by path
};

// A value of type MEDIA, or an item of its list, that is an image whose bytes are there.
bool IsImage(std::string_view values) {
  const bool has_bytes = !MemberOf(values, "data").empty() || !MemberOf(values, "pixels").empty();
  return MemberOf(values, "_type") == "\"image-file\"" && has_bytes;
}

// A map of pixels, as the value of an IMAGE is one.
bool IsPixels(std::string_view map) {
  return !MemberOf(map, "height").empty() && !MemberOf(map, "data").empty();
}

std::optional<std::string> PngIn(std::string_view pixels) {
  const auto number = [pixels](std::string_view name) {
    return ParsedAs<uint64_t>(MemberOf(pixels, name)).value_or(0);
  };
  const std::optional<std::string> bytes = FromBase64(MemberOf(pixels, "data"));
  return bytes ? PngOfPixels(number("width"), number("height"), number("channels"), *bytes)
               : std::nullopt;
}

void AppendMember(std::string_view name, std::string_view json, std::string& out) {
  if (json.empty()) return;
  out += ',' + ToJson(name) + ':';
  out += json;
}

std::string OneImage(const LinePlace& place, std::string_view caption) {
  std::string json = R"({"_type":"image-file")";
  AppendMember("path", ToJson(std::string_view(TextOf(place))), json);
  AppendMember("caption", caption, json);
  return json + '}';
}

std::string ImageList(std::string_view items, uint64_t begin) {
  std::string names, captions;
  size_t at = 0;
  bool all = true;
  VisitItems(items, [&](std::string_view item) {
    const char* separator = at == 0 ? "" : ",";
    const std::string_view caption = MemberOf(item, "caption");
    all = all && IsImage(item);
    names += separator + ToJson(std::string_view(TextOf(LinePlace{begin, at++})));
    captions += separator + (caption.empty() ? "null" : std::string(caption));
  });
  if (at == 0 || !all) return "";
  return R"({"_type":"images/separated","filenames":[)" + names + R"(],"captions":[)" + captions +
         "]}";
}

}  // namespace

LineFields FieldsOf(std::string_view line) {
  LineFields fields;
  VisitMembers(line, [&fields](std::string_view key, std::string_view value) {
    for (const Member& member : kMembers) {
      if (key == member.name) fields.*member.field = value;
    }
  });
  return fields;
}

std::string TextOf(std::string_view json) { return TextIn(json).value_or(""); }
std::optional<double> NumberOf(std::string_view json) { return ParsedAs<double>(json); }
std::optional<int64_t> IntegerOf(std::string_view json) { return ParsedAs<int64_t>(json); }

Cells CellsOf(const LineFields& fields, bool with_tag, int levels) {
  Cells cells;
  Leaves leaves(fields.nonfinite, cells);
  const std::string tag = TextOf(fields.tag);
  if (!fields.values.empty()) {
    leaves.Add(with_tag ? tag : "", "", fields.values, levels);
    return cells;
  }
  for (const std::string_view json : {fields.value, fields.text, fields.list}) {
    if (!json.empty()) leaves.Add(tag, "", json, 0);
  }
  return cells;
}

std::string TextOf(const LinePlace& place) {
  std::string text = std::string(kPlace) + std::to_string(place.begin);
  if (place.item) text += ' ' + std::to_string(*place.item);
  return text;
}

std::optional<LinePlace> LinePlaceIn(std::string_view text) {
  if (!text.starts_with(kPlace)) return {};
  text.remove_prefix(kPlace.size());
  const size_t space = text.find(' ');
  const std::optional<uint64_t> begin = ParsedAs<uint64_t>(text.substr(0, space));
  if (!begin) return {};
  LinePlace place{*begin, {}};
  if (space == std::string_view::npos) return place;
  place.item = ParsedAs<size_t>(text.substr(space + 1));
  return place.item ? std::optional(place) : std::nullopt;
}

std::string ImageJson(const LineFields& fields, uint64_t begin) {
  const bool is_media = !MemberOf(fields.values, "_type").empty();
  if (!fields.base64.empty() || (!is_media && IsPixels(fields.values)))
    return OneImage({begin, {}}, "");
  if (IsImage(fields.values)) return OneImage({begin, {}}, MemberOf(fields.values, "caption"));
  return ImageList(MemberOf(fields.values, "items"), begin);
}

std::optional<std::string> FileIn(const LineFields& fields, std::optional<size_t> item) {
  if (!item && !fields.text.empty()) return TextIn(fields.text);
  if (!item && !fields.base64.empty()) return FromBase64(fields.base64);
  std::string_view image = fields.values;
  if (item) {
    image = {};
    size_t at = 0;
    VisitItems(MemberOf(fields.values, "items"), [&](std::string_view one) {
      if (at++ == *item) image = one;
    });
  }
  if (const std::string_view pixels = MemberOf(image, "pixels"); !pixels.empty())
    return PngIn(pixels);
  return IsPixels(image) ? PngIn(image) : FromBase64(MemberOf(image, "data"));
}

}  // namespace flarebridge::jsonl
