#include "bridge/uploads/upload_queue.h"

#include <algorithm>
#include <chrono>
#include <sstream>
#include <utility>

#include "receivers/files/durable_file.h"
#include "receivers/files/open_file.h"
#include "receivers/files/stable_hash.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".upload";

// An entry that was written before there were kinds has none.
constexpr const char* kFirstKind = "wandb";

// Four lines: the path, the stamp, the kind, the bridge.
UploadQueue::Entry ReadEntry(const fs::path& file) {
  UploadQueue::Entry entry;
  entry.file = file;
  constexpr size_t kMostBytes = size_t{64} << 10;
  std::istringstream in(ReadWhole(file, kMostBytes).value_or(""));
  std::string path;
  if (!std::getline(in, path) || !std::getline(in, entry.stamp)) return entry;
  entry.target.path = path;
  if (!std::getline(in, entry.target.kind)) entry.target.kind = kFirstKind;
  if (!std::getline(in, entry.bridge)) entry.bridge.clear();
  return entry;
}

// Each time that a target is added it gets a file of its own: whoever takes one out can't take out
// what is added in the same moment. All files of a target begin with the same number.
std::string NameOf(const UploadTarget& target, const std::string& stamp) {
  const std::string key =
      target.kind == kFirstKind ? target.path : target.kind + "\n" + target.path;
  return std::to_string(StableHash(key)) + "-" + stamp + kSuffix;
}

bool SameTarget(const UploadTarget& one, const UploadTarget& other) {
  return one.kind == other.kind && one.path == other.path;
}

}  // namespace

Expected<void> UploadQueue::Add(const UploadTarget& target) {
  const std::string stamp =
      std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  const std::vector<Entry> before = All();
  Expected<void> written =
      WriteDurably(folder_ / NameOf(target, stamp),
                   target.path + "\n" + stamp + "\n" + target.kind + "\n" + bridge_ + "\n");
  if (!written) return written;
  for (const Entry& entry : before) {
    if (SameTarget(entry.target, target) && entry.stamp != stamp) Remove(entry);
  }
  return {};
}

std::vector<UploadQueue::Entry> UploadQueue::List() const {
  std::vector<Entry> newest;
  for (Entry& entry : All()) {
    const auto same = std::find_if(newest.begin(), newest.end(), [&](const Entry& other) {
      return SameTarget(other.target, entry.target);
    });
    if (same == newest.end()) {
      newest.push_back(std::move(entry));
    } else if (std::pair(same->stamp.size(), same->stamp) <
               std::pair(entry.stamp.size(), entry.stamp)) {
      *same = std::move(entry);
    }
  }
  return newest;
}

std::vector<UploadQueue::Entry> UploadQueue::All() const {
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
  fs::remove(entry.file, ignored);
}

}  // namespace flarebridge
