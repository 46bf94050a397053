// Advisory locks on files and folders, which the system takes back from a process that ends in
// whatever way (flock(2)). Used to keep one process at a time on a run's log, its upload, a
// bridge's state folder. A file system without locks (Lustre, NFS, 9p, FUSE as some mount them) is
// no error: nobody can be kept away there, and who takes a lock may tell a person. Tests of a lock
// may be made by any thread; one owner each.
#pragma once

#include <filesystem>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

enum class LockState {
  kOurs,
  kAnothers,     // another process has it
  kNoLocksHere,  // the file system has none: nobody can be kept away
};
// Locks an open file for this process alone, for as long as it is open. Errors: kIo, kTemporary.
Expected<LockState> TryLock(int fd);

// Another process has locked the open file. Where that can't be found out, nobody has.
bool IsLocked(int fd);

// A lock that is held until it goes. Move-only.
class FileLock {
 public:
  // Holds nothing.
  FileLock() = default;

  // Locks a file for one process alone; made with mode 0600 if it is not there. Errors: kBusy
  // (another process has it), kIo, kTemporary.
  static Expected<FileLock> OfFile(const std::filesystem::path& path);
  // Locks a folder for one process alone; where a folder can't be locked, it is held without.
  // Errors: kBusy, kIo, kTemporary.
  static Expected<FileLock> OfFolder(const std::filesystem::path& path);
  // Keeps those away who lock the file for themselves alone. What is not there, or can't be opened,
  // locks nobody out. Errors: kBusy.
  static Expected<FileLock> Shared(const std::filesystem::path& path);

  bool held() const { return static_cast<bool>(file_); }
  // Others are kept away; false where the file system has no locks, or nothing is held.
  bool excludes() const { return held() && excludes_; }
  // Lets go of it.
  void Release() { file_.Close(); }

 private:
  FileLock(UniqueFd file, bool excludes) : file_(std::move(file)), excludes_(excludes) {}
  static Expected<FileLock> Take(UniqueFd opened, LockState state,
                                 const std::filesystem::path& path);

  UniqueFd file_;
  bool excludes_ = false;
};

}  // namespace flarebridge
