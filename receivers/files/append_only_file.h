// The run log on disk: one file, opened and locked by one process, appended to in whole writes.
// After a failed write the file is cut back, so that it never ends in half a record by our own
// doing. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

class AppendOnlyFile {
 public:
  // Opens or creates the file and takes its lock, where there are locks. Errors: kBusy (another
  // process has it), kIo.
  static Expected<AppendOnlyFile> Open(const std::filesystem::path& path);
  const std::filesystem::path& path() const { return path_; }

  int fd() const { return file_.get(); }
  uint64_t size() const { return size_; }

  // Writes all bytes behind the end, by one system call where the system takes them. Errors: kIo;
  // the file is then as it was.
  Expected<void> Append(std::string_view bytes);
  // Drops everything from `size` on. Errors: kIo.
  Expected<void> CutTo(uint64_t size);
  // What was written is on the disk, and found by its path, when it returns. Errors: kIo, also
  // if somebody has removed, moved or replaced the file (IsTakenAway()).
  Expected<void> Persist();
  bool IsTakenAway() const;

 private:
  AppendOnlyFile(UniqueFd file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}
  template <class T>
  tl::unexpected<Error> FailFile(const Expected<T>& failed) const;

  UniqueFd file_;
  std::filesystem::path path_;
  uint64_t size_ = 0;
};

}  // namespace flarebridge
