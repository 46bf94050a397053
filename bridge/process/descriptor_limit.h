// How many descriptors this process may have. The soft limit is 1024 in most shells and containers,
// for programs that use select(2); nothing here does. Used by `serve`, `sync` and the uploader at
// their start, before any thread.
#pragma once

#include <cstdint>

namespace flarebridge {

// Raises the soft limit to the hard one, as far as the system lets it. Gives the limit that holds
// then.
uint64_t RaiseDescriptorLimit();

}  // namespace flarebridge
