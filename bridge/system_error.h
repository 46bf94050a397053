// An operating system's error as an Error with words. Used where system calls are made.
#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include "events/error.h"

namespace flarebridge {

// "<what>: <the system's reason>"; reads errno unless a number is given.
inline tl::unexpected<Error> FailSystem(const std::string& what, int error_number = errno) {
  return Fail(ErrorCode::kIo, what + ": " + std::generic_category().message(error_number));
}

}  // namespace flarebridge
