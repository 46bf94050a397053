// Whether this build has a sanitizer in it, which looks into its own process in ways that a process
// of ours else gives up. Used where rights are given up. Any thread.
#pragma once

namespace flarebridge {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace flarebridge
