#include "bridge/process/secrets.h"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace flarebridge {

void TakeNoNewPrivileges() { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

void WriteNoCoreDumps() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

void KeepSecrets() {
  WriteNoCoreDumps();
  prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace flarebridge
