#include "receivers/files/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <string>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

Expected<bool> TryLock(int fd) {
  int result = 0;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  return FailSystem("can't be locked");
}

bool IsLocked(int fd) {
  if (flock(fd, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  flock(fd, LOCK_UN);
  return false;
}

Expected<FileLock> FileLock::OfFile(const std::filesystem::path& path) {
  Expected<UniqueFd> file = CreateFile(path, 0600, Existing::kKeep);
  if (!file) return FailOf(path.string(), file);
  const Expected<bool> locked = TryLock(file->get());
  if (!locked) return FailOf(path.string(), locked);
  if (!*locked) return Fail(ErrorCode::kBusy, "another process has locked " + path.string());
  return FileLock(std::move(*file));
}

Expected<FileLock> FileLock::OfFolder(const std::filesystem::path& path) {
  UniqueFd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return FailSystem(path.string() + " can't be opened");
  const Expected<bool> locked = TryLock(folder.get());
  if (locked && !*locked)
    return Fail(ErrorCode::kBusy, "another process has locked " + path.string());
  return FileLock(std::move(folder));
}

Expected<FileLock> FileLock::Shared(const std::filesystem::path& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file && flock(file.get(), LOCK_SH | LOCK_NB) != 0)
    return Fail(ErrorCode::kBusy, "another process has locked " + path.string());
  return FileLock(std::move(file));
}

}  // namespace flarebridge
