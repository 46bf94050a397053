#include "bridge/upload_queue.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>

#include "bridge/system_error.h"
#include "bridge/unique_fd.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".upload";

// Two lines: the path and the stamp.
UploadQueue::Entry ReadEntry(const fs::path& file) {
  UploadQueue::Entry entry;
  entry.file = file;
  std::ifstream in(file);
  std::string path;
  if (std::getline(in, path) && std::getline(in, entry.stamp)) entry.path = path;
  return entry;
}

}  // namespace

Expected<void> UploadQueue::Add(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(folder_, failed);
  const std::string name = std::to_string(std::hash<std::string>()(path.string())) + kSuffix;
  const fs::path draft = folder_ / (name + ".new");
  const std::string content =
      path.string() + "\n" +
      std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "\n";
  {
    const UniqueFd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return FailSystem(draft.string() + " can't be created");
    if (write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
        fsync(file.get()) != 0)
      return FailSystem(draft.string() + " can't be written");
  }
  if (rename(draft.c_str(), (folder_ / name).c_str()) != 0)
    return FailSystem(draft.string() + " can't be renamed");
  const UniqueFd folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) (void)fsync(folder.get());
  return {};
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
  if (ReadEntry(entry.file).stamp == entry.stamp) unlink(entry.file.c_str());
}

}  // namespace flarebridge
