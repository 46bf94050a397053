#include "receivers/files/file_system.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace flarebridge {

bool IsLackOfLocks(int error_number) {
  // EOPNOTSUPP is ENOTSUP on Linux.
  return error_number == ENOSYS || error_number == ENOLCK || error_number == EOPNOTSUPP;
}

bool HasRecordLocks(int fd) {
  struct flock whole {};
  whole.l_type = F_RDLCK;
  whole.l_whence = SEEK_SET;
  return fcntl(fd, F_SETLK, &whole) == 0 || !IsLackOfLocks(errno);
}

}  // namespace flarebridge
