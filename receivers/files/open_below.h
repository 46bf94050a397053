// Opens a file by its path below a folder, for a folder that others may have made: no link leads
// out of it, or only those that the user has made. What is opened is a descriptor, so that nothing
// can be put in its place afterwards. Used for files that are uploaded. Any thread.
#pragma once

#include <filesystem>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

enum class Links {
  kRefuse,  // no part of the path may be one
  kOwn,     // those of this process's user or of root, to a file that is this user's
};

// Opens a regular file to be read. `relative` leads downwards: no "..", not absolute. `folder` is
// the user's choice, and may be a link. Errors: kForbidden (a link that is not followed, or no
// regular file), kIo (not there, among others), kTemporary; the words begin with the verb, as in
// open_file.h.
Expected<UniqueFd> OpenBelow(const std::filesystem::path& folder,
                             const std::filesystem::path& relative, Links links);

// The same for a kernel without openat2() (before Linux 5.6, or refused by a sandbox): part by
// part. For tests, too.
Expected<UniqueFd> OpenPartByPart(int folder, const std::filesystem::path& relative, Links links);

}  // namespace flarebridge
