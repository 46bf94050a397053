// Preloaded into the bridge and its workers: records all that changes files below a folder, in its
// order, so that a test can make of it what a power cut would have left (recorded_disk.py).
//
// RECORDING_DISK_FOLDER: the folder. RECORDING_DISK_TRACE: the recording, see recording.h.
#define _GNU_SOURCE
#include <stdarg.h>
#include <sys/types.h>

#include "recording.h"

static const uint64_t kPosition = UINT64_MAX;  // where the descriptor stands

// Gives the length of the path of fd if it is of interest, else 0.
static size_t path_of(int fd, char* path) {
  char link[64];
  if (fd < 0 || fd == recording_fd) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, path, PATH_MAX - 1);
  if (size <= 0) return 0;
  path[size] = 0;
  return is_recorded(path) ? (size_t)size : 0;
}

// Where write() will write.
static uint64_t position_of(int fd, const struct stat* info) {
  const int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
  return (uint64_t)(appends ? info->st_size : lseek(fd, 0, SEEK_CUR));
}

// --- before a call; NULL for what is not recorded ---

static struct call* begin_open(char kind, int fd, uint64_t offset, size_t size) {
  char path[PATH_MAX];
  const size_t length = path_of(fd, path);
  if (length == 0) return NULL;
  struct call* call = take();
  struct stat info;
  if (fstat(fd, &info) != 0) give_up("fstat");
  const uint64_t at = offset == kPosition ? position_of(fd, &info) : offset;
  announce(call,
           (struct header){.size = (uint32_t)size,
                           .paths = (uint32_t)length,
                           .kind = kind,
                           .inode = (uint64_t)info.st_ino,
                           .offset = at},
           path);
  return call;
}

static struct call* begin_name(char kind, const char* path) {
  if (!is_recorded(path)) return NULL;
  struct call* call = take();
  announce(call,
           (struct header){.paths = (uint32_t)strlen(path), .kind = kind, .inode = inode_of(path)},
           path);
  return call;
}

// `judged`: the one of the two whose inode tells whether the call was made.
static struct call* begin_two(char kind, const char* first, const char* second,
                              const char* judged) {
  char both[2 * PATH_MAX];
  if (!is_recorded(second)) return NULL;
  const int size = snprintf(both, sizeof both, "%s%c%s", first, 0, second);
  struct call* call = take();
  announce(call, (struct header){.paths = (uint32_t)size, .kind = kind, .inode = inode_of(judged)},
           both);
  return call;
}

// Whatever the path is: where it leads is known once it is open.
static struct call* begin_create(const char* path, int flags) {
  if (recording == NULL || (flags & (O_CREAT | O_TRUNC)) == 0) return NULL;
  char folder[PATH_MAX] = "", whole[2 * PATH_MAX];
  if (path[0] != '/' && getcwd(folder, sizeof folder) == NULL) return NULL;
  const int size = snprintf(whole, sizeof whole, "%s%s%s", folder, folder[0] != 0 ? "/" : "", path);
  struct call* call = take();
  announce(call,
           (struct header){.paths = (uint32_t)size, .kind = 'C', .offset = (flags & O_TRUNC) != 0},
           whole);
  return call;
}

// --- behind it ---

// `size`: bytes of a write, and `data`, what was written.
static void end_made(struct call* call, int made, const void* data, size_t size) {
  if (call == NULL) return;
  const int error = errno;
  if (made) append(call->header, call->paths, data, size);
  end(call);
  errno = error;
}

static void end_create(struct call* call, int fd) {
  if (call == NULL) return;
  const int error = errno;
  char path[PATH_MAX];
  struct stat info;
  const size_t length = path_of(fd, path);
  if (length > 0 && fstat(fd, &info) == 0) append_created(call->header, path, &info);
  end(call);
  errno = error;
}

// --- the calls ---

ssize_t write(int fd, const void* data, size_t size) {
  REAL(ssize_t, write, int, const void*, size_t);
  struct call* call = begin_open('W', fd, kPosition, size);
  const ssize_t done = real_write(fd, data, size);
  end_made(call, done > 0, data, (size_t)done);
  return done;
}

#define PWRITE(name, offset_type)                                       \
  ssize_t name(int fd, const void* data, size_t size, offset_type at) { \
    REAL(ssize_t, name, int, const void*, size_t, offset_type);         \
    struct call* call = begin_open('W', fd, (uint64_t)at, size);        \
    const ssize_t done = real_##name(fd, data, size, at);               \
    end_made(call, done > 0, data, (size_t)done);                       \
    return done;                                                        \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type)                             \
  int name(int fd, offset_type size) {                          \
    REAL(int, name, int, offset_type);                          \
    struct call* call = begin_open('T', fd, (uint64_t)size, 0); \
    const int done = real_##name(fd, size);                     \
    end_made(call, done == 0, "", 0);                           \
    return done;                                                \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                 \
  int name(int fd) {                               \
    REAL(int, name, int);                          \
    struct call* call = begin_open('S', fd, 0, 0); \
    const int done = real_##name(fd);              \
    end_made(call, done == 0, "", 0);              \
    return done;                                   \
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
    struct call* call = begin_create(path, flags);                              \
    const int fd = real_##name(path, flags, mode);                              \
    end_create(call, fd);                                                       \
    return fd;                                                                  \
  }
OPEN(open)
OPEN(open64)

int rename(const char* from, const char* to) {
  REAL(int, rename, const char*, const char*);
  struct call* call = begin_two('R', from, to, from);
  const int done = real_rename(from, to);
  end_made(call, done == 0, "", 0);
  return done;
}

int symlink(const char* target, const char* path) {
  REAL(int, symlink, const char*, const char*);
  struct call* call = begin_two('L', target, path, path);
  const int done = real_symlink(target, path);
  end_made(call, done == 0, "", 0);
  return done;
}

int mkdir(const char* path, mode_t mode) {
  REAL(int, mkdir, const char*, mode_t);
  struct call* call = begin_name('M', path);
  const int done = real_mkdir(path, mode);
  end_made(call, done == 0, "", 0);
  return done;
}

#define REMOVE(name)                           \
  int name(const char* path) {                 \
    REAL(int, name, const char*);              \
    struct call* call = begin_name('U', path); \
    const int done = real_##name(path);        \
    end_made(call, done == 0, "", 0);          \
    return done;                               \
  }
REMOVE(unlink)
REMOVE(remove)
