#include "receivers/wandb/log/run_folder.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <system_error>

#include "events/time_text.h"
#include "events/to_integer.h"
#include "receivers/files/folders.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

const std::string kOffline = "offline-run-", kOnline = "run-";

tl::unexpected<Error> FailFolder(const Error& error) {
  return Fail(ErrorCode::kIo, "the run's folder " + error.message +
                                  "; make it writable or name another with wandb_args[\"dir\"]");
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

fs::path UploadedMark(const fs::path& log) { return log.string() + ".synced"; }

bool IsUploaded(const fs::path& log) {
  std::error_code ignored;
  return fs::exists(UploadedMark(log), ignored);
}

std::vector<fs::path> FindRunFolders(const fs::path& wandb_folder, const std::string& id) {
  std::vector<fs::path> folders;
  std::error_code failed;
  fs::directory_iterator entries(wandb_folder, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    std::error_code ignored;
    if (!TimeAndId(name).empty() && name.ends_with("-" + id) &&
        fs::is_regular_file(LogPath(entries->path(), id), ignored))
      folders.push_back(entries->path());
  }
  std::sort(folders.begin(), folders.end(), [](const fs::path& a, const fs::path& b) {
    return TimeAndId(a.filename().string()) > TimeAndId(b.filename().string());
  });
  return folders;
}

Expected<fs::path> MakeRunFolder(const fs::path& wandb_folder, const std::string& id,
                                 double started, bool online) {
  if (const Expected<void> made = MakeFolders(wandb_folder); !made) return FailFolder(made.error());
  auto seconds = ToInteger<int64_t>(std::floor(started));
  while (true) {
    const std::string name = LocalTimeName(seconds) + "-" + id;
    const fs::path folder = wandb_folder / ((online ? kOnline : kOffline) + name);
    const Expected<bool> made = MakeFolder(folder);
    if (!made) return FailFolder(made.error());
    if (*made) {
      for (const char* part : {"files", "logs"}) {
        if (const Expected<bool> in = MakeFolder(folder / part); !in) return FailFolder(in.error());
      }
      PointLink(wandb_folder / "latest-run", folder.filename());
      return folder;
    }
    ++seconds;
  }
}

}  // namespace flarebridge::wandb
