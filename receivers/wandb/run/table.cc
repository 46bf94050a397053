#include "receivers/wandb/run/table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "receivers/json.h"
#include "receivers/wandb/run/media.h"

namespace flarebridge::wandb {
namespace {

// As W&B's SDK (Table.MAX_ROWS and MAX_ARTIFACT_ROWS at 0.31.0).
constexpr uint64_t kMostOfRunFile = 10000, kMostOfArtifact = 200000;
// What JSON has no value for is a map with this key (events/README.md).
constexpr std::string_view kCell = "_cell";

std::string_view TextOf(const Value& map, std::string_view key) {
  return map.Find(key).value_or(Value()).AsText().value_or(std::string_view());
}

// Reads rows, and writes them in one of the two forms.
class Writer {
 public:
  explicit Writer(BlobFolder& blobs) : blobs_(blobs) {}
  // False: a cell is none.
  bool AppendRow(const Value& row, bool kept, std::string& out) {
    fine_ = true;
    Append(row, kept, out);
    return fine_;
  }
  std::map<std::string, std::string>& files() { return files_; }

 private:
  void Append(const Value& value, bool kept, std::string& out);
  void AppendMap(const Value& map, bool kept, std::string& out);
  void AppendCell(std::string_view kind, const Value& cell, bool kept, std::string& out);
  void AppendMedium(const Value& cell, std::string& out);

  BlobFolder& blobs_;
  std::map<std::string, std::string> files_;  // of the artifact, by path
  bool fine_ = true;
};

void Writer::Append(const Value& value, bool kept, std::string& out) {
  const char* separator = "";
  switch (value.kind()) {
    case ValueKind::kFloat:
      if (kept && std::isnan(value.node().number)) {
        out += "null";
      } else {
        AppendJson(value.node().number, out);
      }
      break;
    case ValueKind::kList:
      out += '[';
      value.ForEachItem([&](const Value& item) {
        out += separator;
        Append(item, kept, out);
        separator = ",";
      });
      out += ']';
      break;
    case ValueKind::kMap:
      if (const auto kind = value.Find(kCell)) {
        AppendCell(kind->AsText().value_or(std::string_view()), value, kept, out);
      } else {
        AppendMap(value, kept, out);
      }
      break;
    default:
      AppendJson(value, out);
  }
}

void Writer::AppendMap(const Value& map, bool kept, std::string& out) {
  const char* separator = "";
  out += '{';
  map.ForEachPair([&](std::string_view key, const Value& item) {
    out += separator;
    AppendJson(key, out);
    out += ':';
    Append(item, kept, out);
    separator = ",";
  });
  out += '}';
}

void Writer::AppendCell(std::string_view kind, const Value& cell, bool kept, std::string& out) {
  const Value data = cell.Find("data").value_or(Value());
  if (kind == "time") {
    AppendJson(cell.Find(kept ? "ms" : "text").value_or(Value()), out);
  } else if (kind == "map" && data.kind() == ValueKind::kMap) {
    AppendMap(data, kept, out);
  } else if (kind == "bytes" && data.kind() == ValueKind::kBinary) {
    if (kept) {
      AppendJson(TextOf(cell, "text"), out);
      return;
    }
    const char* separator = "[";
    for (const char byte : data.node().text) {
      out += separator;
      AppendJson(int64_t{static_cast<unsigned char>(byte)}, out);
      separator = ",";
    }
    out += data.node().text.empty() ? "[]" : "]";
  } else if (kind == "media") {
    if (kept) {
      AppendMedium(data, out);
    } else {
      AppendJson(TextOf(cell, "name"), out);
    }
  } else {
    fine_ = false;
  }
}

// A medium's file is a part of the artifact, and the cell says where. Of an object within the
// object, as a mask is, nothing is kept.
void Writer::AppendMedium(const Value& cell, std::string& out) {
  const auto path_of = [](std::string_view folder, std::string_view sha256,
                          std::string_view extension) {
    return "media/" + std::string(folder) + "/" + std::string(sha256.substr(0, 20)) +
           std::string(extension);
  };
  std::optional<Media> media = ReadMedia(cell, path_of, blobs_);
  // Content is in its row, whose file in turn may be a large value.
  fine_ = fine_ && media && TextOf(cell, "_type") != "list" && !media->files.front().blob;
  if (!fine_) return;
  const char* separator = "{";
  for (const Media::Leaf& leaf : media->leaves) {
    if (leaf.keys.size() != 1 || leaf.keys.front() == "size") continue;
    out += separator;
    AppendJson(std::string_view(leaf.keys.front()), out);
    out += ':' + leaf.json;
    separator = ",";
  }
  out += '}';
  files_.try_emplace(std::move(media->files.front().path), std::move(media->files.front().content));
}

// Of an image W&B's client says which masks and boxes there are: here are none.
constexpr std::string_view kOfImages =
    R"("box_layers":{"wb_type":"const","params":{"val":{},"is_set":false}},)"
    R"("box_score_keys":{"wb_type":"const","params":{"val":[],"is_set":true}},)"
    R"("mask_layers":{"wb_type":"const","params":{"val":{},"is_set":false}},)"
    R"("class_map":{"wb_type":"const","params":{"val":{},"is_set":false}},)"
    R"("box_class_maps":{"wb_type":"const","params":{"val":{},"is_set":false}},)"
    R"("mask_class_maps":{"wb_type":"const","params":{"val":{},"is_set":false}})";

// A type is a list: its name, and what it is made of. False: it is none.
bool AppendType(const Value& type, std::string& out) {
  std::vector<Value> parts;
  type.ForEachItem([&](const Value& part) { parts.push_back(part); });
  const auto name = parts.empty() ? std::nullopt : parts.front().AsText();
  if (!name) return false;
  bool fine = true;
  out += R"({"wb_type":)" + ToJson(*name);
  if (*name == "union") {
    out += R"(,"params":{"allowed_types":[)";
    for (size_t i = 1; i < parts.size(); ++i) {
      if (i > 1) out += ',';
      fine = fine && AppendType(parts[i], out);
    }
    out += "]}";
  } else if (*name == "list" && parts.size() == 3) {
    out += R"(,"params":{"element_type":)";
    fine = AppendType(parts[1], out);
    out += R"(,"length":)" + ToJson(parts[2]) + "}";
  } else if (*name == "typedDict") {
    out += R"(,"params":{"type_map":{)";
    for (size_t i = 1; fine && i + 1 < parts.size(); i += 2) {
      if (i > 1) out += ',';
      out += ToJson(parts[i].AsText().value_or(std::string_view())) + ":";
      fine = AppendType(parts[i + 1], out);
    }
    out += "}}";
  } else if (*name == "pythonObject" && parts.size() == 2) {
    out += R"(,"params":{"class_name":)" + ToJson(parts[1]) + "}";
  } else if (*name == "image-file") {
    out += R"(,"params":{)" + std::string(kOfImages) + "}";
  } else {
    fine = parts.size() == 1 && *name != "list" && *name != "pythonObject";
  }
  out += '}';
  return fine;
}

// The types of all columns; empty: they are none. Columns are texts or numbers.
std::string TypesOf(const Value& columns, const Value& types) {
  std::vector<Value> of_column;
  types.ForEachItem([&](const Value& type) { of_column.push_back(type); });
  bool fine = columns.kind() == ValueKind::kList && of_column.size() == columns.size();
  std::string out = R"({"wb_type":"typedDict","params":{"type_map":{)";
  size_t next = 0;
  columns.ForEachItem([&](const Value& column) {
    fine = fine && (column.AsText() || column.AsInt64() || column.AsUint64());
    if (!fine) return;
    if (next > 0) out += ',';
    out += column.AsText() ? ToJson(column) : '"' + ToJson(column) + '"';
    out += ':';
    fine = AppendType(of_column[next++], out);
  });
  return fine ? out + "}}}" : "";
}

}  // namespace

std::optional<Table> ReadTable(const std::string& name, const Value& value, std::string_view rows,
                               BlobFolder& blobs) {
  const Value columns = value.Find("columns").value_or(Value());
  const std::string types = TypesOf(columns, value.Find("types").value_or(Value()));
  if (types.empty()) return std::nullopt;
  Table table;
  table.columns = columns.size();
  table.log_mode = TextOf(value, "log_mode");
  // Readers look for the rest of an incremental one elsewhere: here all rows are in each version.
  if (table.log_mode != "MUTABLE") table.log_mode = "IMMUTABLE";

  const std::string head = ToJson(columns) + R"(,"data":[)";
  table.run_file = R"({"columns":)" + head;
  std::string kept = R"({"_type":"table","column_types":)" + types + R"(,"columns":)" + head;
  Writer writer(blobs);
  Tape tape;
  uint64_t count = 0;
  for (; !rows.empty() && count < kMostOfArtifact; ++count) {
    const Expected<size_t> size = DecodeValue(rows, tape);
    const Value row(tape.data());
    if (!size || row.kind() != ValueKind::kList) return std::nullopt;
    if (count > 0) kept += ',';
    if (!writer.AppendRow(row, true, kept)) return std::nullopt;
    if (count < kMostOfRunFile) {
      if (count > 0) table.run_file += ',';
      writer.AppendRow(row, false, table.run_file);
    }
    rows.remove_prefix(*size);
  }
  table.run_file += "]}";
  kept += R"(],"log_mode":")" + table.log_mode + R"(","ncols":)" + std::to_string(table.columns) +
          R"(,"nrows":)" + std::to_string(count) + "}";
  table.rows = std::max(count, value.Find("nrows").value_or(Value()).AsUint64().value_or(0));
  writer.files()[name] = std::move(kept);
  for (auto& [path, content] : writer.files()) table.files.push_back({path, std::move(content)});
  return table;
}

}  // namespace flarebridge::wandb
