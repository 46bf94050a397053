// The system calls that a worker needs, and a filter that refuses all others (seccomp(2)). Used by
// confine.h; the calling thread's process must have one thread.
#pragma once

#include "events/error.h"

namespace flarebridge {

// For the rest of this process, and of all that it starts: calls that are not on the list fail with
// EPERM. Needs TakeNoNewPrivileges() before. Errors: kUnsupported (the kernel has no filters,
// somebody refuses them, or the calls of this kind of machine are not known here).
Expected<void> RestrictCalls();

}  // namespace flarebridge
