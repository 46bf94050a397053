// Media become files of the run and values of a row that name them; names of classes go into the
// run's config. The row carries the mark.
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/media.h"
#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// False: one of them has no place in the file system.
Expected<bool> WriteFiles(const fs::path& run_folder, const Media& media, BlobFolder& blobs) {
  std::set<std::string_view> written;
  for (const Media::File& file : media.files) {
    if (!written.insert(file.path).second) continue;
    const fs::path files = run_folder / "files";
    Expected<bool> possible = file.blob ? blobs.CopyTo(*file.blob, files, file.path)
                                        : WriteRunFile(files, file.path, file.content);
    if (!possible || !*possible) return possible;
  }
  return true;
}

// W&B's pages look for them in the config, where they are said once in a life of the worker.
void AddLabels(RunOutput& out, std::string_view tag, const Media& media) {
  constexpr size_t kMostRemembered = 1024;
  for (const Media::ClassLabels& labels : media.labels) {
    // Spelled as by W&B's SDK (0.31.0).
    const std::string name = std::string(tag) + "_wandb_delimeter_" + labels.layer;
    if (out.said_labels.size() >= kMostRemembered) out.said_labels.clear();
    if (!out.said_labels.insert(labels.kind + '\n' + name + '\n' + labels.json).second) continue;
    const std::string json = R"({"type":")" + labels.kind + R"(","key":)" +
                             ToJson(std::string_view(name)) + R"(,"value":)" + labels.json + "}";
    const std::string path = PathOf("_wandb") + PathOf(labels.kind) + PathOf(name);
    out.log.Add(
        [&](int64_t number, std::string& record) { AppendConfigAt(number, path, json, record); });
  }
}

// An object of leaves that have so many keys in common; those of one branch follow each other.
std::string ObjectOf(std::span<const Media::Leaf> leaves, size_t common) {
  if (leaves.size() == 1 && leaves.front().keys.size() == common) return leaves.front().json;
  std::string object = "{";
  for (size_t begin = 0, end = 0; begin < leaves.size(); begin = end) {
    const std::string& key = leaves[begin].keys[common];
    while (end < leaves.size() && leaves[end].keys[common] == key) ++end;
    object += (begin == 0 ? "" : ",") + ToJson(std::string_view(key)) + ":" +
              ObjectOf(leaves.subspan(begin, end - begin), common + 1);
  }
  return object + "}";
}

void AddFiles(RunOutput& out, const Media& media) {
  for (const Media::File& file : media.files) {
    out.log.Add([&](int64_t number, std::string& record) {
      AppendFile(number, file.path, nullptr, record);
    });
  }
}

}  // namespace

std::string PathOfMedia(const Data& data) {
  std::string path;
  const Value around = data.value.Find("in").value_or(Value());
  bool fine = around.IsNull() || around.kind() == ValueKind::kList;
  around.ForEachItem([&](const Value& key) {
    const auto text = key.AsText();
    fine = fine && text;
    AppendPath(text.value_or(""), path);
  });
  AppendPath(data.tag, path);
  return fine ? path : std::string();
}

Expected<std::optional<std::string>> StoreForSummary(RunOutput& out, std::string_view key,
                                                     const Value& value) {
  // Named as by W&B's SDK (0.31.0).
  const auto path_of = [&](std::string_view folder, std::string_view sha256,
                           std::string_view extension) {
    const std::string end =
        "_summary_" + std::string(sha256.substr(0, 20)) + std::string(extension);
    return (fs::path("media") / folder / SafeRelativePath(key, end)).generic_string();
  };
  if (value.kind() != ValueKind::kMap) return std::nullopt;
  if (IsTable(value)) return StoreTableForSummary(out, key, value);
  const std::optional<Media> media = ReadMedia(value, path_of, out.blobs);
  if (!media) return std::nullopt;
  const Expected<bool> possible = WriteFiles(out.folder, *media, out.blobs);
  if (!possible) return Propagate(possible);
  if (!*possible) return std::nullopt;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  AddFiles(out, *media);
  AddLabels(out, key, *media);
  return ObjectOf(media->leaves, 0);
}

Expected<bool> ApplyMedia(RunOutput& out, uint64_t position, const Data& data,
                          Clock::time_point now) {
  const std::string path = PathOfMedia(data);
  if (path.empty()) return false;
  const auto path_of = [&](std::string_view folder, std::string_view sha256,
                           std::string_view extension) {
    return MediaPath(folder, data.tag, data.step, position, sha256, extension).generic_string();
  };
  const std::optional<Media> media = ReadMedia(data.value, path_of, out.blobs);
  if (!media) {
    const std::optional<Error> failed = out.blobs.TakeFailure();
    if (failed) return tl::unexpected<Error>(*failed);
    return false;
  }
  Expected<bool> possible = WriteFiles(out.folder, *media, out.blobs);
  if (!possible || !*possible) return possible;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  AddFiles(out, *media);
  AddLabels(out, data.tag, *media);
  for (const Media::Leaf& leaf : media->leaves) {
    std::string place = path;
    for (const std::string& key : leaf.keys) AppendPath(key, place);
    out.items.Put(place, leaf.json);
  }
  out.rows.left_out().Fit(out.items);
  out.rows.Add(position, data.step, TimeOf(data), out.items, now, WriterOf(data));
  return true;
}

}  // namespace flarebridge::wandb
