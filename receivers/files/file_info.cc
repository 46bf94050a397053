#include "receivers/files/file_info.h"

#include <sys/stat.h>

#include <cerrno>

#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

FileInfo From(const struct stat& found) {
  FileInfo info;
  info.is_file = S_ISREG(found.st_mode);
  info.is_folder = S_ISDIR(found.st_mode);
  info.size = static_cast<uint64_t>(found.st_size);
  info.seconds = found.st_mtim.tv_sec;
  info.nanoseconds = found.st_mtim.tv_nsec;
  info.owner = found.st_uid;
  info.rights = found.st_mode & 07777;
  return info;
}

}  // namespace

Expected<FileInfo> InfoOf(const std::filesystem::path& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return FailSystem("can't be read");
  return From(found);
}

Expected<FileInfo> InfoOf(int fd) {
  struct stat found {};
  if (fstat(fd, &found) != 0) return FailSystem("can't be read");
  return From(found);
}

bool IsStillAt(int fd, const std::filesystem::path& path) {
  struct stat open_file {};
  struct stat named {};
  if (fstat(fd, &open_file) != 0) return true;
  // A file that is removed over NFS while it is open keeps a link, by another name.
  if (stat(path.c_str(), &named) != 0) return errno != ENOENT && errno != ENOTDIR;
  return open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

}  // namespace flarebridge
