// Preloaded into a program and those it starts: calls that change files below a folder fail, from
// one number on and for as many as are told. Used by test_disk.py, test_repair.py and test_read_only.py.
//
// FAULTY_DISK_FOLDER: the folder. FAULTY_DISK_CONTROL: a file of four 64-bit numbers that all
// processes share: calls until now, the first one that fails, the one behind the last, and the
// error's number; -1 makes writes short, -2 kills the process before the call.
// FAULTY_DISK_REMOVES: removals count, too. FAULTY_DISK_SPARES_SYNCS: bringing to the disk does not, as
// where what is there is there and nothing can be added.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct control {
  _Atomic long calls, first, end, error;
};

static struct control* shared(void) {
  static struct control* mapped = NULL;
  if (mapped == NULL) {
    const char* path = getenv("FAULTY_DISK_CONTROL");
    int (*real_open)(const char*, int, ...) =
        (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open");
    const int fd = path == NULL ? -1 : real_open(path, O_RDWR | O_CLOEXEC);
    void* memory =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    static struct control none;
    mapped = memory == MAP_FAILED ? &none : (struct control*)memory;
  }
  return mapped;
}

// At once: a worker can't open the control any more when it has confined itself.
__attribute__((constructor)) static void map_control(void) { (void)shared(); }

static int below(const char* path) {
  const char* folder = getenv("FAULTY_DISK_FOLDER");
  return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int below_fd(int fd) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  // The bridge's own log may fail, too, but says nothing about events.
  return below(path) && strstr(path, "bridge.log") == NULL;
}

// Counts a call. Gives 0: all is well; else the error, or -1: write less.
static int fault(void) {
  struct control* c = shared();
  const long number = atomic_fetch_add(&c->calls, 1);
  const int error = number >= c->first && number < c->end ? (int)c->error : 0;
  if (error == -2) raise(SIGKILL);
  return error;
}

#define REAL(type, name, ...) \
  type (*real)(__VA_ARGS__) = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)
#define FAIL_IF(condition)                     \
  const int error = (condition) ? fault() : 0; \
  if (error > 0) {                             \
    errno = error;                             \
    return -1;                                 \
  }

ssize_t write(int fd, const void* data, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t);
  FAIL_IF(below_fd(fd));
  return real(fd, data, error < 0 && size > 1 ? size / 2 : size);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  REAL(ssize_t, pwrite, int, const void*, size_t, off_t);
  FAIL_IF(below_fd(fd));
  return real(fd, data, error < 0 && size > 1 ? size / 2 : size, at);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t at) {
  REAL(ssize_t, pwrite64, int, const void*, size_t, off64_t);
  FAIL_IF(below_fd(fd));
  return real(fd, data, error < 0 && size > 1 ? size / 2 : size, at);
}

int fsync(int fd) {
  REAL(int, fsync, int);
  FAIL_IF(getenv("FAULTY_DISK_SPARES_SYNCS") == NULL && below_fd(fd));
  return real(fd);
}

int fdatasync(int fd) {
  REAL(int, fdatasync, int);
  FAIL_IF(getenv("FAULTY_DISK_SPARES_SYNCS") == NULL && below_fd(fd));
  return real(fd);
}

int ftruncate(int fd, off_t size) {
  REAL(int, ftruncate, int, off_t);
  FAIL_IF(below_fd(fd));
  return real(fd, size);
}

int ftruncate64(int fd, off64_t size) {
  REAL(int, ftruncate64, int, off64_t);
  FAIL_IF(below_fd(fd));
  return real(fd, size);
}

int mkdir(const char* path, mode_t mode) {
  REAL(int, mkdir, const char*, mode_t);
  FAIL_IF(below(path));
  return real(path, mode);
}

int rename(const char* from, const char* to) {
  REAL(int, rename, const char*, const char*);
  FAIL_IF(below(to));
  return real(from, to);
}

ssize_t sendfile(int to, int from, off_t* at, size_t size) {
  REAL(ssize_t, sendfile, int, int, off_t*, size_t);
  FAIL_IF(below_fd(to));
  return real(to, from, at, error < 0 && size > 1 ? size / 2 : size);
}

ssize_t copy_file_range(int from, off64_t* at, int to, off64_t* to_at, size_t size,
                        unsigned flags) {
  REAL(ssize_t, copy_file_range, int, off64_t*, int, off64_t*, size_t, unsigned);
  FAIL_IF(below_fd(to));
  return real(from, at, to, to_at, error < 0 && size > 1 ? size / 2 : size, flags);
}

int unlink(const char* path) {
  REAL(int, unlink, const char*);
  FAIL_IF(getenv("FAULTY_DISK_REMOVES") != NULL && below(path));
  return real(path);
}

int remove(const char* path) {
  REAL(int, remove, const char*);
  FAIL_IF(getenv("FAULTY_DISK_REMOVES") != NULL && below(path));
  return real(path);
}

int open(const char* path, int flags, ...) {
  REAL(int, open, const char*, int, ...);
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  FAIL_IF((flags & O_CREAT) != 0 && below(path) && strstr(path, "bridge.") == NULL);
  return real(path, flags, mode);
}
