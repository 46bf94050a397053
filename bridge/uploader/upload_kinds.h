// The kinds of uploads that this build has: what a receiver's UploadTarget names. A new one is a
// folder in receivers/ and a row in upload_kinds.cc. Used by the process that uploads; any thread.
#pragma once

#include <memory>
#include <string>

#include "events/error.h"
#include "receivers/upload/upload_pool.h"

namespace flarebridge {

// A pool of uploads of a kind, to the server that the environment names, `threads` at once. Errors:
// kUnsupported (no such kind here), kConfig (server or key; trying again does not help), kIo.
Expected<std::unique_ptr<UploadPool>> StartUploadKind(const std::string& kind, size_t threads,
                                                      UploadPool::Callbacks callbacks);

}  // namespace flarebridge
