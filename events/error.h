// Failure as a value. Every function of ours that can fail returns Expected<T>; exceptions of
// libraries stop in the file that adapts the library. Used by every folder; values, so any thread.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace flarebridge {

// Permanent codes: they appear in logs and counters, so a number is never given a new meaning.
enum class ErrorCode {
  kMalformed = 1,    // bytes that are not what the format says
  kTooLarge = 2,     // over a size, depth or count limit
  kUnsupported = 3,  // well-formed, but nothing here handles it
  kInvalidName = 4,  // a site, job or tag name that is not allowed
  kIo = 5,           // the operating system said no; the message says what and why
  kBusy = 6,         // somebody else holds it now; may be tried again
  kConfig = 7,       // arguments or configuration that make no sense; trying again does not help
  kCorrupt = 8,      // data on disk that does not verify
  kForbidden = 9,    // somebody who may not
  kTemporary = 10,   // the system can't now (disk full, out of memory); it may be able to later
};

// What went wrong, in words for a person: what happened, why, and what to do where that is known.
struct Error {
  ErrorCode code;
  std::string message;
};

template <class T>
using Expected = tl::expected<T, Error>;

// Shorthand for the failing side: return Fail(ErrorCode::kIo, "...").
inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

// Hands a failure on to the caller, whose result is of another type: return Propagate(opened).
template <class T>
tl::unexpected<Error> Propagate(const Expected<T>& failed) {
  return tl::unexpected<Error>(failed.error());
}
template <class T>
tl::unexpected<Error> Propagate(Expected<T>&& failed) {
  return tl::unexpected<Error>(std::move(failed).error());
}

// The same, with where it happened before the words: "journal /x: disk full".
template <class T>
tl::unexpected<Error> PropagateFrom(const std::string& where, const Expected<T>& failed) {
  return Fail(failed.error().code, where + ": " + failed.error().message);
}

}  // namespace flarebridge
