// Checked names: the only way for outside text to become a site or a job. Text that passed is
// 1 to 255 bytes of valid UTF-8 without control characters; it may still hold spaces, slashes or
// "../", so it goes into records and messages only, never into a path (paths use hashes of names).
// Values, so any thread.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "events/error.h"

namespace flarebridge {

// Bytes of a site, job or run name at most. NVFlare's own names are far shorter.
inline constexpr size_t kMaxNameBytes = 255;
// Bytes of a metric's name at most.
inline constexpr size_t kMaxTagBytes = 4096;

// True if text is valid UTF-8 (RFC 3629).
bool IsUtf8(std::string_view text);
// True if text may become a checked name.
bool IsName(std::string_view text);

// A name of one kind; two kinds do not mix.
template <class Kind>
class CheckedName {
 public:
  // Errors: kInvalidName, with the kind and the reason.
  static Expected<CheckedName> Parse(std::string_view text) {
    if (!IsName(text)) {
      return Fail(
          ErrorCode::kInvalidName,
          std::string(Kind::kWord) + " must be 1 to 255 bytes of UTF-8 without control characters");
    }
    return CheckedName(std::string(text));
  }
  const std::string& str() const { return text_; }
  auto operator<=>(const CheckedName&) const = default;

 private:
  explicit CheckedName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

struct SiteKind {
  static constexpr std::string_view kWord = "a site's name";
};
struct JobKind {
  static constexpr std::string_view kWord = "a job's id";
};
struct RunKind {
  static constexpr std::string_view kWord = "a run's name";
};
using SiteName = CheckedName<SiteKind>;
using JobId = CheckedName<JobKind>;
using RunName = CheckedName<RunKind>;

}  // namespace flarebridge
