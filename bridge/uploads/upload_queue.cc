#include "bridge/uploads/upload_queue.h"

#include <chrono>
#include <sstream>

#include "receivers/files/durable_file.h"
#include "receivers/files/open_file.h"
#include "receivers/files/stable_hash.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".upload";

// An entry that was written before there were kinds has none.
constexpr const char* kFirstKind = "wandb";

// Three lines: the path, the stamp, the kind.
UploadQueue::Entry ReadEntry(const fs::path& file) {
  UploadQueue::Entry entry;
  entry.file = file;
  constexpr size_t kMostBytes = size_t{64} << 10;
  std::istringstream in(ReadWhole(file, kMostBytes).value_or(""));
  std::string path;
  if (!std::getline(in, path) || !std::getline(in, entry.stamp)) return entry;
  entry.target.path = path;
  if (!std::getline(in, entry.target.kind)) entry.target.kind = kFirstKind;
  return entry;
}

// The same target has the same file.
std::string NameOf(const UploadTarget& target) {
  const std::string key =
      target.kind == kFirstKind ? target.path : target.kind + "\n" + target.path;
  return std::to_string(StableHash(key)) + kSuffix;
}

}  // namespace

Expected<void> UploadQueue::Add(const UploadTarget& target) {
  const auto stamp = std::chrono::system_clock::now().time_since_epoch().count();
  return WriteDurably(folder_ / NameOf(target),
                      target.path + "\n" + std::to_string(stamp) + "\n" + target.kind + "\n");
}

std::vector<UploadQueue::Entry> UploadQueue::List() const {
  std::vector<Entry> entries;
  std::error_code failed;
  fs::directory_iterator files(folder_, failed);
  for (; !failed && files != fs::directory_iterator(); files.increment(failed)) {
    if (files->path().extension() != kSuffix) continue;
    Entry entry = ReadEntry(files->path());
    if (!entry.target.path.empty()) entries.push_back(std::move(entry));
  }
  return entries;
}

bool UploadQueue::empty() const { return List().empty(); }

void UploadQueue::Remove(const Entry& entry) {
  std::error_code ignored;
  if (ReadEntry(entry.file).stamp == entry.stamp) fs::remove(entry.file, ignored);
}

}  // namespace flarebridge
