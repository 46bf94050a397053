#include "bridge/process/secrets.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "bridge/process/sanitized.h"

namespace flarebridge {

void TakeNoNewPrivileges() { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

void KeepSecrets() {
  // Of those that it starts, too.
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  if (!kSanitized) prctl(PR_SET_DUMPABLE, 0);
}

std::string TakeFromEnvironment(const std::string& name) {
  std::string value;
  const std::string begin = name + "=";
  for (char** variable = environ; *variable != nullptr;) {
    if (!std::string_view(*variable).starts_with(begin)) {
      ++variable;
      continue;
    }
    if (value.empty()) value = *variable + begin.size();
    explicit_bzero(*variable, std::strlen(*variable));
    // It may be there twice.
    for (char** later = variable; *later != nullptr; ++later) later[0] = later[1];
  }
  return value;
}

}  // namespace flarebridge
