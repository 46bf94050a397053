// An operating system's error as an Error with words. Used where system calls are made.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include "events/error.h"

namespace flarebridge {

// kTemporary for errors that pass when somebody makes room or mends the disk, kIo for others.
inline ErrorCode CodeOf(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EROFS:
    case ENOMEM:
    case ENFILE:
    case EMFILE:
    case EAGAIN:
      return ErrorCode::kTemporary;
    default:
      return ErrorCode::kIo;
  }
}

// "<what>: <the system's reason>"; reads errno unless a number is given.
inline tl::unexpected<Error> FailSystem(const std::string& what, int error_number = errno) {
  return Fail(CodeOf(error_number), what + ": " + std::generic_category().message(error_number));
}

// For calls that make a name: kInvalidName where no file can ever have this path, because a part of
// it is a file, a folder or a link already, or it is too long.
inline tl::unexpected<Error> FailPath(const std::string& what, int error_number = errno) {
  const bool impossible = error_number == ENOTDIR || error_number == EISDIR ||
                          error_number == ENAMETOOLONG || error_number == ELOOP ||
                          error_number == EINVAL || error_number == EILSEQ;
  tl::unexpected<Error> failed = FailSystem(what, error_number);
  if (impossible) failed.value().code = ErrorCode::kInvalidName;
  return failed;
}

// A failure whose words begin with a verb ("can't be read: ..."), with its subject before them.
template <class T>
tl::unexpected<Error> FailOf(const std::string& subject, const Expected<T>& failed) {
  return Fail(failed.error().code, subject + " " + failed.error().message);
}

// The same as an error of kIo, whatever the reason: for callers who tell no passing errors apart.
template <class T>
tl::unexpected<Error> FailIo(const std::string& subject, const Expected<T>& failed) {
  return Fail(ErrorCode::kIo, subject + " " + failed.error().message);
}

}  // namespace flarebridge
