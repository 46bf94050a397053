// Preloaded into the bridge and its workers: a file system that lacks what local disks have, below a
// folder. Used by test_platform.py.
//
// LACKING_DISK_FOLDER: the folder. LACKING_DISK_FLOCK, _FCNTL, _MMAP: the error's number of flock(),
// of POSIX locks, of maps that are shared and writable; without one, that works.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

// The error of a call on this descriptor, or 0.
static int lacks(const char* what, int fd) {
  const char *error = getenv(what), *folder = getenv("LACKING_DISK_FOLDER");
  if (error == NULL || folder == NULL || fd < 0) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  return strncmp(path, folder, strlen(folder)) == 0 ? atoi(error) : 0;
}

int flock(int fd, int operation) {
  int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
  const int error = lacks("LACKING_DISK_FLOCK", fd);
  if (error == 0) return real(fd, operation);
  errno = error;
  return -1;
}

static int lock_or_real(const char* name, int fd, int command, void* argument) {
  int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
  const int locks = command == F_SETLK || command == F_SETLKW || command == F_GETLK ||
                    command == F_OFD_SETLK || command == F_OFD_SETLKW || command == F_OFD_GETLK;
  const int error = locks ? lacks("LACKING_DISK_FCNTL", fd) : 0;
  if (error == 0) return real(fd, command, argument);
  errno = error;
  return -1;
}

int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return lock_or_real("fcntl", fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  return lock_or_real("fcntl64", fd, command, argument);
}

static void* map(const char* name, void* at, size_t size, int rights, int flags, int fd, off_t from) {
  void* (*real)(void*, size_t, int, int, int, off_t) =
      (void* (*)(void*, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, name);
  const int shared = (flags & MAP_SHARED) != 0 && (rights & PROT_WRITE) != 0;
  const int error = shared ? lacks("LACKING_DISK_MMAP", fd) : 0;
  if (error == 0) return real(at, size, rights, flags, fd, from);
  errno = error;
  return MAP_FAILED;
}

void* mmap(void* at, size_t size, int rights, int flags, int fd, off_t from) {
  return map("mmap", at, size, rights, flags, fd, from);
}

void* mmap64(void* at, size_t size, int rights, int flags, int fd, off_t from) {
  return map("mmap64", at, size, rights, flags, fd, from);
}
