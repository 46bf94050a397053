#include "receivers/files/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <string>

#include "receivers/files/file_system.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

namespace {

// Gives 0, or the error's number.
int Lock(int fd, int operation) {
  int result = 0;
  do {
    result = flock(fd, operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

}  // namespace

Expected<LockState> TryLock(int fd) {
  const int error_number = Lock(fd, LOCK_EX);
  if (error_number == 0) return LockState::kOurs;
  if (error_number == EWOULDBLOCK) return LockState::kAnothers;
  if (IsLackOfLocks(error_number)) return LockState::kNoLocksHere;
  return FailSystem("can't be locked", error_number);
}

bool IsLocked(int fd) {
  const int error_number = Lock(fd, LOCK_SH);
  if (error_number == 0) flock(fd, LOCK_UN);
  return error_number == EWOULDBLOCK;
}

Expected<FileLock> FileLock::OfFile(const std::filesystem::path& path) {
  Expected<UniqueFd> file = CreateFile(path, 0600, Existing::kKeep);
  if (!file) return FailOf(path.string(), file);
  const Expected<LockState> state = TryLock(file->get());
  if (!state) return FailOf(path.string(), state);
  return Take(std::move(*file), *state, path);
}

Expected<FileLock> FileLock::OfFolder(const std::filesystem::path& path) {
  UniqueFd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return FailSystem(path.string() + " can't be opened");
  // Over NFS a folder can't be locked, whatever files can: a lock needs a file that may be written.
  const LockState state = TryLock(folder.get()).value_or(LockState::kNoLocksHere);
  return Take(std::move(folder), state, path);
}

Expected<FileLock> FileLock::Take(UniqueFd opened, LockState state,
                                  const std::filesystem::path& path) {
  if (state == LockState::kAnothers)
    return Fail(ErrorCode::kBusy, "another process has locked " + path.string());
  return FileLock(std::move(opened), state == LockState::kOurs);
}

Expected<FileLock> FileLock::Shared(const std::filesystem::path& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const int error_number = file ? Lock(file.get(), LOCK_SH) : 0;
  if (error_number == EWOULDBLOCK)
    return Fail(ErrorCode::kBusy, "another process has locked " + path.string());
  return FileLock(std::move(file), error_number == 0);
}

}  // namespace flarebridge
