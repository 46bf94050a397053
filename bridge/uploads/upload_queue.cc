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

// Two lines: the path and the stamp.
UploadQueue::Entry ReadEntry(const fs::path& file) {
  UploadQueue::Entry entry;
  entry.file = file;
  constexpr size_t kMostBytes = size_t{64} << 10;
  std::istringstream in(ReadWhole(file, kMostBytes).value_or(""));
  std::string path;
  if (std::getline(in, path) && std::getline(in, entry.stamp)) entry.path = path;
  return entry;
}

}  // namespace

Expected<void> UploadQueue::Add(const fs::path& path) {
  const std::string name = std::to_string(StableHash(path.string())) + kSuffix;
  return WriteDurably(
      folder_ / name,
      path.string() + "\n" +
          std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "\n");
}

std::vector<UploadQueue::Entry> UploadQueue::List() const {
  std::vector<Entry> entries;
  std::error_code failed;
  fs::directory_iterator files(folder_, failed);
  for (; !failed && files != fs::directory_iterator(); files.increment(failed)) {
    if (files->path().extension() != kSuffix) continue;
    Entry entry = ReadEntry(files->path());
    if (!entry.path.empty()) entries.push_back(std::move(entry));
  }
  return entries;
}

bool UploadQueue::empty() const { return List().empty(); }

void UploadQueue::Remove(const Entry& entry) {
  std::error_code ignored;
  if (ReadEntry(entry.file).stamp == entry.stamp) fs::remove(entry.file, ignored);
}

}  // namespace flarebridge
