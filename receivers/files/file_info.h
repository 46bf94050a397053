// What the system tells of a file: its kind, size, time, owner and rights. Used before a file is
// read, sent or trusted. Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>

#include "events/error.h"

namespace flarebridge {

struct FileInfo {
  bool is_file = false;    // a regular one
  bool is_folder = false;  // neither: a device, a pipe
  uint64_t size = 0;       // bytes
  // When the content was written last, since the epoch; nanoseconds as far as the file system has
  // them.
  int64_t seconds = 0, nanoseconds = 0;
  uid_t owner = 0;
  mode_t rights = 0;  // rwx of owner, group and others: 0 to 07777

  // Others than its owner may read, write or enter it.
  bool IsOpenToOthers() const { return (rights & 0077) != 0; }
};

// Links are followed. Errors: kIo, kTemporary; the words begin with the verb, as in open_file.h.
Expected<FileInfo> InfoOf(const std::filesystem::path& path);
Expected<FileInfo> InfoOf(int fd);

// The path still leads to the open file: it was not removed, moved or replaced by another one.
// Where the system does not tell, it does.
bool IsStillAt(int fd, const std::filesystem::path& path);

}  // namespace flarebridge
