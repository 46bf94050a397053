// Preloaded below the program: the machine has names that nothing else has, so that they can be
// looked for. Used by test_private_runs.py.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/utsname.h>

static const char kHost[] = "ward-nine-machine", kKernel[] = "9.8.7-wards-kernel";

int gethostname(char* name, size_t size) {
  strncpy(name, kHost, size);
  return 0;
}

int uname(struct utsname* system) {
  const int result = ((int (*)(struct utsname*))dlsym(RTLD_NEXT, "uname"))(system);
  strcpy(system->nodename, kHost);
  strcpy(system->release, kKernel);
  return result;
}
