#include "receivers/files/folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Damaged copies that are kept apart; more of them mean a broken disk.
constexpr int kMostSetAside = 100;

// The path itself, "-2", "-3", ...
fs::path Numbered(const fs::path& path, int number) {
  return number == 1 ? path : fs::path(path.string() + "-" + std::to_string(number));
}

}  // namespace

Expected<bool> MakeFolder(const fs::path& path) {
  if (mkdir(path.c_str(), 0777) == 0) return true;
  if (errno == EEXIST) return false;
  return FailSystem(path.string() + " can't be made");
}

Expected<void> MakeFolders(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (!failed) return {};
  return FailPath(path.string() + " can't be made", failed.value());
}

Expected<void> MakePrivateFolder(const fs::path& path) {
  std::error_code failed;
  if (fs::is_directory(path, failed)) return {};
  // "a/b/" has an empty name.
  const fs::path named = path.has_filename() ? path : path.parent_path();
  if (named.has_parent_path()) {
    if (Expected<void> made = MakeFolders(named.parent_path()); !made) return made;
  }
  if (mkdir(named.c_str(), 0700) == 0 || fs::is_directory(named, failed)) return {};
  return FailPath(named.string() + " can't be made");
}

Expected<void> MayChange(const fs::path& folder) {
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return FailSystem(folder.string() + " can't be changed");
}

Expected<void> PersistFolder(const fs::path& folder) {
  const UniqueFd opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened && fsync(opened.get()) == 0) return {};
  // Some network file systems can't sync a folder and say so; their names are durable by
  // themselves.
  if (opened && (errno == EINVAL || errno == ENOTSUP)) return {};
  return FailSystem("the folder " + folder.string() + " can't be brought to the disk");
}

fs::path FreeName(const fs::path& path) {
  std::error_code failed;
  int number = 1;
  while (fs::exists(Numbered(path, number), failed)) ++number;
  return Numbered(path, number);
}

Expected<fs::path> SetAside(const fs::path& path) {
  // rename() replaces an empty folder and refuses any other, so nothing is lost to a race.
  for (int copy = 1; copy <= kMostSetAside; ++copy) {
    const fs::path aside = Numbered(path.string() + ".damaged", copy);
    std::error_code failed;
    if (fs::exists(aside, failed)) continue;
    fs::rename(path, aside, failed);
    if (!failed) return aside;
    return Fail(ErrorCode::kIo,
                path.string() + " is damaged and can't be set aside: " + failed.message());
  }
  return Fail(ErrorCode::kIo, path.string() + " was damaged " + std::to_string(kMostSetAside) +
                                  " times: look for a failing disk, then move its copies away");
}

void PointLink(const fs::path& link, const fs::path& target) {
  // Several processes point it at once: made under a name of its own, then renamed over.
  const fs::path draft =
      link.parent_path() / ("." + link.filename().string() + "-" + std::to_string(getpid()));
  std::error_code failed;
  fs::remove(draft, failed);
  fs::create_symlink(target, draft, failed);
  if (!failed) fs::rename(draft, link, failed);
}

}  // namespace flarebridge
