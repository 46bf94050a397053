#include "bridge/process/inherited_descriptors.h"

#include <features.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

namespace flarebridge {

#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 34)
#define FLAREBRIDGE_HAS_ADDCLOSEFROM 1
#endif
#endif

void CloseInChildFrom(posix_spawn_file_actions_t& actions, int lowest) {
#ifdef FLAREBRIDGE_HAS_ADDCLOSEFROM
  posix_spawn_file_actions_addclosefrom_np(&actions, lowest);
#else
  CloseListedInChildFrom(actions, lowest);
#endif
}

void CloseListedInChildFrom(posix_spawn_file_actions_t& actions, int lowest) {
  namespace fs = std::filesystem;
  std::error_code failed;
  fs::directory_iterator entries("/proc/self/fd", failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().filename().string();
    int number = -1;
    std::from_chars(name.data(), name.data() + name.size(), number);
    // The one that lists them is closed by then, which is no error in the child.
    if (number >= lowest) posix_spawn_file_actions_addclose(&actions, number);
  }
}

}  // namespace flarebridge
