// The recording that recording_disk.c makes and recorded_disk.py reads: a file of all calls that
// changed files, in their order, by any number of processes, of which any may be killed at any
// moment.
//
// A lock, which the kernel gives on when its holder dies, is held over a call and its record: there
// is no other order than that of the calls. Before the call a slot says what is about to be done.
// The record comes behind those before it, and one store, of `length`, makes it a part of the
// recording and its slot free.
//
// Who finds a slot in use, with the lock held, sees that its process died between the two: whether
// the call was made, or a part of it, the file itself tells. Nobody has changed it since, so what
// is there is recorded. A worker that is confined may not look into the files of others; it can't
// change them either, and leaves the slot to those who may. A sync that was cut so counts as not
// made: nobody was told of it.
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// The function that ours stands before. Calls of this file go there, too.
#define REAL(type, name, ...) \
  type (*real_##name)(__VA_ARGS__) = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

enum { kRecordsBegin = 1 << 18, kSlots = 16, kPiece = 1 << 16 };
static const uint32_t kMagic = 0x52444246;  // "FBDR"

struct header {
  uint32_t magic;
  uint32_t size;   // of the whole record
  uint32_t paths;  // bytes of the path or paths, which follow; the second one is behind a zero byte
  // W write, T truncate, S sync, C create, R rename, U unlink, M mkdir, L symlink
  uint32_t kind;
  uint64_t inode;   // of an open file; of a name: what it was the name of before the call, or 0
  uint64_t offset;  // of a write; the new length; does this create truncate
};

struct call {
  uint64_t until;  // the slot is in use while the recording is shorter
  struct header header;
  char paths[2 * PATH_MAX];
};

static struct recording {
  uint64_t length;  // of the whole file, up to the end of the last record
  uint64_t ready;   // the lock is made
  pthread_mutex_t lock;
  struct call calls[kSlots];
} * recording;
_Static_assert(sizeof(struct recording) <= kRecordsBegin, "its room");

static int recording_fd = -1;
static uint64_t recorded;  // what `length` is to be; under the lock

static void give_up(const char* why) {
  fprintf(stderr, "recording_disk: %s: %s\n", why, strerror(errno));
  abort();
}

static void make_lock(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&recording->lock, &attributes);
}

// The file was made by recorded_disk.py. Before the program confines itself.
__attribute__((constructor)) static void open_recording(void) {
  REAL(int, open, const char*, int, ...);
  const char* path = getenv("RECORDING_DISK_TRACE");
  if (path == NULL) return;
  const int fd = real_open(path, O_RDWR | O_CLOEXEC);
  recording_fd = fcntl(fd, F_DUPFD_CLOEXEC, 50);
  void* memory = mmap(NULL, kRecordsBegin, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (recording_fd < 0 || memory == MAP_FAILED) give_up(path);
  recording = memory;
  flock(fd, LOCK_EX);
  if (!recording->ready) make_lock();
  recording->ready = 1;
  flock(fd, LOCK_UN);  // here, because the duplicate holds it, too
  close(fd);
}

static int is_recorded(const char* path) {
  const char* folder = getenv("RECORDING_DISK_FOLDER");
  // SQLite's index of its WAL is made anew after a crash; the bridge's own log proves nothing.
  return recording != NULL && folder != NULL && strncmp(path, folder, strlen(folder)) == 0 &&
         strstr(path, "-shm") == NULL && strstr(path, "bridge.") == NULL;
}

static uint64_t inode_of(const char* path) {
  struct stat info;
  return lstat(path, &info) == 0 ? (uint64_t)info.st_ino : 0;
}

// --- records; with the lock held ---

static void append(struct header header, const char* paths, const void* data, size_t size) {
  header.magic = kMagic;
  header.size = (uint32_t)(sizeof header + header.paths + size);
  const struct iovec parts[3] = {
      {&header, sizeof header}, {(void*)paths, header.paths}, {(void*)data, size}};
  REAL(ssize_t, pwritev, int, const struct iovec*, int, off_t);
  if (real_pwritev(recording_fd, parts, 3, (off_t)recorded) != (ssize_t)header.size)
    give_up("a record can't be written");
  recorded += header.size;
}

static void append_length(struct header header, const char* path, const struct stat* info) {
  header.kind = 'T';
  header.inode = (uint64_t)info->st_ino;
  header.offset = (uint64_t)info->st_size;
  append(header, path, "", 0);
}

// A file that was opened to be made or made empty, as it is now.
static void append_created(struct header header, const char* path, const struct stat* info) {
  header.paths = (uint32_t)strlen(path);
  header.inode = (uint64_t)info->st_ino;
  append(header, path, "", 0);
  if (header.offset != 0) append_length(header, path, info);
}

static void commit(struct call* call) {
  __atomic_store_n(&call->until, recorded, __ATOMIC_RELEASE);
  __atomic_store_n(&recording->length, recorded, __ATOMIC_RELEASE);
}

static int in_use(const struct call* call) { return call->until > recording->length; }

// --- calls whose process died ---

static void append_range(const struct call* call, int fd) {
  static char piece[kPiece];
  struct header header = call->header;
  uint64_t left = header.size;
  while (left > 0) {
    const ssize_t got =
        pread(fd, piece, left < kPiece ? (size_t)left : kPiece, (off_t)header.offset);
    if (got <= 0) return;
    append(header, call->paths, piece, (size_t)got);
    header.offset += (uint64_t)got;
    left -= (uint64_t)got;
  }
}

// What the file holds, or how long it is, where a call was to change it. Gives whether that is
// known.
static int look_into(const struct call* call) {
  REAL(int, open, const char*, int, ...);
  const int fd = real_open(call->paths, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno == ENOENT;  // nobody will see it any more
  struct stat info;
  if (fstat(fd, &info) == 0 && (uint64_t)info.st_ino == call->header.inode) {
    if (call->header.kind == 'W') append_range(call, fd);
    if (call->header.kind == 'T') append_length(call->header, call->paths, &info);
  }
  close(fd);
  return 1;
}

static void look_at_created(const struct call* call) {
  char path[PATH_MAX];
  struct stat info;
  if (realpath(call->paths, path) == NULL || stat(path, &info) != 0 || !is_recorded(path)) return;
  append_created(call->header, path, &info);
}

static int settle(const struct call* call) {
  const uint64_t before = call->header.inode;
  const char* second = call->paths + strlen(call->paths) + 1;
  int made = 0;
  switch (call->header.kind) {
    case 'W':
    case 'T':
      return look_into(call);
    case 'C':
      look_at_created(call);
      break;
    case 'R':
      made = before != 0 && inode_of(call->paths) == 0 && inode_of(second) == before;
      break;
    case 'U':
      made = before != 0 && inode_of(call->paths) == 0;
      break;
    case 'M':
      made = before == 0 && inode_of(call->paths) != 0;
      break;
    case 'L':
      made = before == 0 && inode_of(second) != 0;
      break;
    default:
      break;
  }
  if (made) append(call->header, call->paths, "", 0);
  return 1;
}

// --- a call ---

// Gives a free slot, with the lock held.
static struct call* take(void) {
  const int error = pthread_mutex_lock(&recording->lock);
  if (error == EOWNERDEAD) pthread_mutex_consistent(&recording->lock);
  if (error != 0 && error != EOWNERDEAD) give_up("the lock");
  recorded = recording->length;
  struct call* call = NULL;
  for (struct call* slot = recording->calls; slot < recording->calls + kSlots; ++slot) {
    if (in_use(slot) && settle(slot)) commit(slot);
    if (!in_use(slot)) call = slot;
  }
  if (call == NULL) give_up("too many processes died in calls that nobody may look at");
  return call;
}

// Says what is about to be done. `header.size`: of a write, its bytes.
static void announce(struct call* call, struct header header, const char* paths) {
  call->header = header;
  memcpy(call->paths, paths, header.paths);
  call->paths[header.paths] = 0;
  __atomic_store_n(&call->until, UINT64_MAX, __ATOMIC_RELEASE);
}

// The call was made, and what is appended has been; or it was not.
static void end(struct call* call) {
  commit(call);
  pthread_mutex_unlock(&recording->lock);
}
