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

}  // namespace flarebridge
