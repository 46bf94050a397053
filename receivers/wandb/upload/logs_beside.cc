#include "receivers/wandb/upload/logs_beside.h"

#include <algorithm>
#include <system_error>

#include "receivers/files/file_info.h"
#include "receivers/wandb/log/run_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> LogsIn(const fs::path& folder) {
  std::vector<std::string> logs;
  std::error_code failed;
  fs::directory_iterator entries(folder, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    if (entries->path().extension() == ".wandb") logs.push_back(entries->path().filename());
  }
  return logs;
}

}  // namespace

std::vector<fs::path> LogsBeside::Of(const fs::path& log) {
  const fs::path folder = log.parent_path().filename(), place = log.parent_path().parent_path();
  if (TimeAndId(folder.string()).empty()) return {};
  const Expected<FileInfo> info = InfoOf(place);
  if (!info) return {};
  const Time changed{info->seconds, info->nanoseconds};
  const MutexLock lock(mutex_);
  Parent& parent = parents_[place];
  // Two changes may have one time; whoever asks is at least there.
  const auto own = parent.logs.find(folder.string());
  const bool is_there =
      own != parent.logs.end() && std::find(own->second.begin(), own->second.end(),
                                            log.filename().string()) != own->second.end();
  if (!is_there || parent.changed != changed) Read(log, changed, parent);
  std::vector<fs::path> beside;
  const auto [first, last] = parent.folders.equal_range(log.filename().string());
  for (auto other = first; other != last; ++other) {
    std::error_code ignored;
    const fs::path path = place / other->second / log.filename();
    if (other->second != folder && !fs::is_symlink(path.parent_path(), ignored) &&
        fs::is_regular_file(path, ignored))
      beside.push_back(path);
  }
  return beside;
}

void LogsBeside::Read(const fs::path& log, Time changed, Parent& parent) {
  const std::string own = log.parent_path().filename().string();
  Parent now;
  now.changed = changed;
  std::error_code failed;
  ++folders_read_;
  fs::directory_iterator entries(log.parent_path().parent_path(), failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    std::error_code ignored;
    if (TimeAndId(name).empty() || entries->is_symlink(ignored)) continue;
    // A run's folder has its log from its beginning on, and no other one later.
    const auto before = parent.logs.find(name);
    const bool is_known = name != own && before != parent.logs.end() && !before->second.empty();
    if (!is_known) ++folders_read_;
    std::vector<std::string> logs = is_known ? std::move(before->second) : LogsIn(entries->path());
    for (const std::string& one : logs) now.folders.emplace(one, name);
    now.logs.emplace(name, std::move(logs));
  }
  parent = std::move(now);
}

uint64_t LogsBeside::folders_read() const {
  const MutexLock lock(mutex_);
  return folders_read_;
}

}  // namespace flarebridge::wandb
