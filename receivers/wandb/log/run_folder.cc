#include "receivers/wandb/log/run_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <system_error>

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// Damaged copies of one run's folder that are kept apart; more of them mean a broken disk.
constexpr int kMostSetAside = 100;

std::string LocalTime(std::time_t seconds) {
  std::tm local{};
  localtime_r(&seconds, &local);
  std::array<char, 32> text{};
  const size_t size = std::strftime(text.data(), text.size(), "%Y%m%d_%H%M%S", &local);
  return {text.data(), size};
}

const std::string kOffline = "offline-run-", kOnline = "run-";

tl::unexpected<Error> FailFolder(const fs::path& folder, int error_number) {
  return Fail(ErrorCode::kIo, "the run's folder " + folder.string() + " can't be made: " +
                                  std::generic_category().message(error_number) +
                                  "; make it writable or name another with wandb_args[\"dir\"]");
}

// Several workers point the link at once: made under a name of its own, then renamed over.
void PointLatestRun(const fs::path& wandb_folder, const fs::path& run_folder) {
  const fs::path temporary = wandb_folder / (".latest-run-" + std::to_string(getpid()));
  std::error_code failed;
  fs::remove(temporary, failed);
  fs::create_directory_symlink(run_folder.filename(), temporary, failed);
  if (!failed) fs::rename(temporary, wandb_folder / "latest-run", failed);
  // A file system without links serves as well: only W&B's shortcut is missing.
}

}  // namespace

std::string TimeAndId(const std::string& folder_name) {
  for (const std::string& prefix : {kOffline, kOnline}) {
    if (folder_name.starts_with(prefix)) return folder_name.substr(prefix.size());
  }
  return "";
}

fs::path WandbFolder(const fs::path& root) {
  std::error_code ignored;
  return fs::is_directory(root / ".wandb", ignored) ? root / ".wandb" : root / "wandb";
}

fs::path LogPath(const fs::path& run_folder, const std::string& id) {
  return run_folder / ("run-" + id + ".wandb");
}

std::optional<fs::path> FindRunFolder(const fs::path& wandb_folder, const std::string& id) {
  std::optional<fs::path> newest;
  std::error_code failed;
  fs::directory_iterator entries(wandb_folder, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    if (TimeAndId(name).empty() || !name.ends_with("-" + id)) continue;
    const fs::path log = LogPath(entries->path(), id);
    std::error_code ignored;
    if (!fs::is_regular_file(log, ignored) || fs::exists(log.string() + ".synced", ignored))
      continue;
    if (!newest || TimeAndId(newest->filename().string()) < TimeAndId(name))
      newest = entries->path();
  }
  return newest;
}

Expected<fs::path> MakeRunFolder(const fs::path& wandb_folder, const std::string& id,
                                 double started, bool online) {
  std::error_code failed;
  fs::create_directories(wandb_folder, failed);
  if (failed) return FailFolder(wandb_folder, failed.value());
  auto seconds = static_cast<std::time_t>(std::floor(started));
  while (true) {
    const std::string name = LocalTime(seconds) + "-" + id;
    const fs::path folder = wandb_folder / ((online ? kOnline : kOffline) + name);
    if (mkdir(folder.c_str(), 0777) == 0) {
      for (const char* part : {"files", "logs"}) {
        if (mkdir((folder / part).c_str(), 0777) != 0) return FailFolder(folder / part, errno);
      }
      PointLatestRun(wandb_folder, folder);
      return folder;
    }
    if (errno != EEXIST) return FailFolder(folder, errno);
    ++seconds;
  }
}

Expected<fs::path> SetAside(const fs::path& run_folder) {
  const std::string name = run_folder.string() + ".damaged";
  // rename() replaces an empty folder and refuses any other, so nothing is lost to a race.
  for (int copy = 1; copy <= kMostSetAside; ++copy) {
    const fs::path aside = copy == 1 ? name : name + "-" + std::to_string(copy);
    std::error_code failed;
    if (fs::exists(aside, failed)) continue;
    fs::rename(run_folder, aside, failed);
    if (!failed) return aside;
    return Fail(ErrorCode::kIo, "the damaged run " + run_folder.string() +
                                    " can't be set aside: " + failed.message());
  }
  return Fail(ErrorCode::kIo, "the run " + run_folder.string() + " was damaged " +
                                  std::to_string(kMostSetAside) +
                                  " times: look for a failing disk, then move its copies away");
}

Expected<void> PersistFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
  if (fd >= 0) close(fd);
  // Some network file systems can't sync a folder and say so; their names are durable by
  // themselves.
  if (failed == 0 || failed == EINVAL || failed == ENOTSUP) return {};
  return Fail(ErrorCode::kIo, "the folder " + folder.string() + " can't be brought to the disk: " +
                                  std::generic_category().message(failed));
}

}  // namespace flarebridge::wandb
