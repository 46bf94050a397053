// How an event names a large value, which travels as a file beside it: by an id, which is the
// file's name, and its size (README.md, Large values). Used by the intake, which takes the files
// over, and by receivers, which read them. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "events/event.h"

namespace flarebridge {

struct BlobRef {
  std::string_view id;  // 32 lower-case hex digits
  uint64_t size = 0;    // bytes
};

// As many as an event may name.
inline constexpr uint32_t kMostBlobs = 1024;

bool IsBlobId(std::string_view text);

// Of a map {"blob", "size"}, which stands in a value where bytes would; nothing: it is none.
std::optional<BlobRef> BlobOf(const Value& value);

// An event names some: then BlobsOf() says which.
bool HasBlobs(const Data& data);
// All that the event says to need, from its extra["blobs"]: a list of [id, size]. Errors:
// kMalformed (it is another thing), kTooLarge (too many).
Expected<std::vector<BlobRef>> BlobsOf(const Data& data);

}  // namespace flarebridge
