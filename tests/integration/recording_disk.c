// Preloaded into the bridge and its workers: records all that changes files below a folder, in its
// order, so that a test can make of it what a power cut would have left. Used by test_power.py.
//
// RECORDING_DISK_FOLDER: the folder. RECORDING_DISK_TRACE: the file that all processes append to,
// one write() a record: a header, the path or paths (the second one behind a zero byte), the data.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct header {
  uint32_t size;   // of the whole record
  uint32_t paths;  // bytes of the paths
  uint64_t inode;
  uint64_t offset;
  char kind;  // W write, T truncate, S sync, C create, R rename, U unlink, M mkdir, L symlink
  char padding[7];
};

static int trace = -1;

#define REAL(type, name, ...) \
  type (*real)(__VA_ARGS__) = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

// Before the program confines itself.
__attribute__((constructor)) static void open_trace(void) {
  REAL(int, open, const char*, int, ...);
  const char* path = getenv("RECORDING_DISK_TRACE");
  const int fd = path == NULL ? -1 : real(path, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (fd >= 0) {
    trace = fcntl(fd, F_DUPFD_CLOEXEC, 50);
    close(fd);
  }
}

static int below(const char* path) {
  const char* folder = getenv("RECORDING_DISK_FOLDER");
  // SQLite's index of its WAL is made anew after a crash; the bridge's own log proves nothing.
  return folder != NULL && strncmp(path, folder, strlen(folder)) == 0 &&
         strstr(path, "-shm") == NULL && strstr(path, "bridge.") == NULL;
}

// Gives the length of the path of fd if it is of interest, else 0.
static size_t path_of(int fd, char* path) {
  char link[64];
  if (fd < 0 || fd == trace) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, PATH_MAX - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  return below(path) ? (size_t)size : 0;
}

static void record(char kind, uint64_t inode, uint64_t offset, const char* paths, size_t paths_size,
                   const void* data, size_t size) {
  REAL(ssize_t, writev, int, const struct iovec*, int);
  if (trace < 0) return;
  const int error = errno;
  struct header header = {0};
  header.size = (uint32_t)(sizeof header + paths_size + size);
  header.paths = (uint32_t)paths_size;
  header.inode = inode;
  header.offset = offset;
  header.kind = kind;
  const struct iovec parts[3] = {
      {&header, sizeof header}, {(void*)paths, paths_size}, {(void*)data, size}};
  if (real(trace, parts, 3) != (ssize_t)header.size) abort();
  errno = error;
}

static uint64_t inode_of(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 ? (uint64_t)info.st_ino : 0;
}

static void record_fd(char kind, int fd, uint64_t offset, const void* data, size_t size) {
  char path[PATH_MAX];
  const size_t length = path_of(fd, path);
  if (length > 0) record(kind, inode_of(fd), offset, path, length, data, size);
}

static void record_path(char kind, const char* path) {
  if (below(path)) record(kind, 0, 0, path, strlen(path), NULL, 0);
}

static void record_two(char kind, const char* first, const char* second) {
  char both[2 * PATH_MAX];
  const int size = snprintf(both, sizeof both, "%s%c%s", first, 0, second);
  if (below(second)) record(kind, 0, 0, both, (size_t)size, NULL, 0);
}

ssize_t write(int fd, const void* data, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t);
  const ssize_t done = real(fd, data, size);
  char path[PATH_MAX];
  // Whoever writes without an offset appends, here: the position is behind what was written.
  if (done > 0 && path_of(fd, path) > 0)
    record_fd('W', fd, (uint64_t)lseek(fd, 0, SEEK_CUR) - (uint64_t)done, data, (size_t)done);
  return done;
}

#define PWRITE(name, offset_type)                                       \
  ssize_t name(int fd, const void* data, size_t size, offset_type at) { \
    REAL(ssize_t, name, int, const void*, size_t, offset_type);         \
    const ssize_t done = real(fd, data, size, at);                      \
    if (done > 0) record_fd('W', fd, (uint64_t)at, data, (size_t)done); \
    return done;                                                        \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type)                           \
  int name(int fd, offset_type size) {                        \
    REAL(int, name, int, offset_type);                        \
    const int done = real(fd, size);                          \
    if (done == 0) record_fd('T', fd, (uint64_t)size, "", 0); \
    return done;                                              \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                               \
  int name(int fd) {                             \
    REAL(int, name, int);                        \
    const int done = real(fd);                   \
    if (done == 0) record_fd('S', fd, 0, "", 0); \
    return done;                                 \
  }
SYNC(fsync)
SYNC(fdatasync)

#define OPEN(name)                                                              \
  int name(const char* path, int flags, ...) {                                  \
    REAL(int, name, const char*, int, ...);                                     \
    va_list arguments;                                                          \
    va_start(arguments, flags);                                                 \
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0; \
    va_end(arguments);                                                          \
    const int fd = real(path, flags, mode);                                     \
    if (fd >= 0 && (flags & O_CREAT) != 0) record_fd('C', fd, 0, "", 0);        \
    if (fd >= 0 && (flags & O_TRUNC) != 0) record_fd('T', fd, 0, "", 0);        \
    return fd;                                                                  \
  }
OPEN(open)
OPEN(open64)

int rename(const char* from, const char* to) {
  REAL(int, rename, const char*, const char*);
  const int done = real(from, to);
  if (done == 0) record_two('R', from, to);
  return done;
}

int symlink(const char* target, const char* path) {
  REAL(int, symlink, const char*, const char*);
  const int done = real(target, path);
  if (done == 0) record_two('L', target, path);
  return done;
}

int mkdir(const char* path, mode_t mode) {
  REAL(int, mkdir, const char*, mode_t);
  const int done = real(path, mode);
  if (done == 0) record_path('M', path);
  return done;
}

#define REMOVE(name)                       \
  int name(const char* path) {             \
    REAL(int, name, const char*);          \
    const int done = real(path);           \
    if (done == 0) record_path('U', path); \
    return done;                           \
  }
REMOVE(unlink)
REMOVE(remove)
