// Preloaded into the bridge and its workers. A worker that opens a file whose name ends with
// "intruder.txt" has been taken over from then on: it tries to get out, and writes what became of
// each attempt into "<that file>.found", a line each: name, "done" or "refused", errno. Used by
// test_confinement.py.
//
// INTRUDER_VICTIM: a process of the same user. INTRUDER_LOG: another run's log, below the same
// root. INTRUDER_NO_LANDLOCK: what restricts files fails in workers, for want of memory.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int (*real_open)(const char*, int, ...);
static FILE* found;

// The expression is what an attempt gives: negative if it was refused.
#define TRY(name, expression)                                                   \
  do {                                                                          \
    errno = 0;                                                                  \
    const long result = (long)(expression);                                     \
    fprintf(found, "%s %s %d\n", name, result < 0 ? "refused" : "done", errno); \
  } while (0)

static long opened(const char* path, int flags) {
  const int fd = real_open(path, flags, 0600);
  if (fd >= 0) close(fd);
  return fd;
}

static long opened_of(int process, const char* name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", process, name);
  return opened(path, flags);
}

static void try_signals(int victim) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_code = SI_QUEUE;
  struct f_owner_ex owner = {F_OWNER_PID, victim};
  TRY("call:kill", kill(victim, SIGKILL));
  TRY("call:kill-group", kill(0, 0));
  TRY("call:kill-all", kill(-1, 0));
  TRY("call:tkill", syscall(SYS_tkill, victim, SIGKILL));
  TRY("call:tgkill", syscall(SYS_tgkill, victim, victim, SIGKILL));
  TRY("call:rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, victim, SIGKILL, &info));
  TRY("call:rt_tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, victim, victim, SIGKILL, &info));
  char path[64];
  snprintf(path, sizeof path, "/proc/%d", victim);
  const int handle = real_open(path, O_RDONLY | O_DIRECTORY);
  fprintf(found, "file:proc-folder %s %d\n", handle < 0 ? "refused" : "done", errno);
  TRY("call:pidfd_open", syscall(SYS_pidfd_open, victim, 0));
  TRY("call:pidfd_send_signal", syscall(SYS_pidfd_send_signal, handle, SIGKILL, NULL, 0));
  TRY("call:F_SETOWN", fcntl(3, F_SETOWN, victim));
  TRY("call:F_SETOWN_EX", fcntl(3, F_SETOWN_EX, &owner));
  TRY("call:F_SETSIG", fcntl(3, F_SETSIG, SIGKILL));
}

static void try_processes(int victim) {
  const struct rlimit none = {0, 0};
  cpu_set_t processors;
  memset(&processors, 1, sizeof processors);
  const struct sched_param priority = {0};
  char byte;
  struct iovec ours = {&byte, 1}, theirs = {&byte, 1};
  TRY("call:prlimit", syscall(SYS_prlimit64, victim, RLIMIT_NOFILE, &none, NULL));
  TRY("call:setpriority", setpriority(PRIO_PROCESS, (id_t)victim, 19));
  TRY("call:sched_setaffinity", sched_setaffinity(victim, sizeof processors, &processors));
  TRY("call:sched_setscheduler", sched_setscheduler(victim, SCHED_IDLE, &priority));
  TRY("call:ioprio_set", syscall(SYS_ioprio_set, 1, victim, 3 << 13));
  TRY("call:setpgid", setpgid(0, 0));
  TRY("call:process_vm_readv", process_vm_readv(getppid(), &ours, 1, &theirs, 1, 0));
  TRY("call:ptrace", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL));
  TRY("call:fork", fork() == 0 ? (_exit(0), 0L) : (errno == 0 ? 0L : -1L));
  TRY("call:vfork", syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL) == 0
                        ? (_exit(0), 0L)
                        : -(errno != 0));
  TRY("call:clone3", syscall(SYS_clone3, NULL, 0) < 0 && errno != EINVAL ? -1 : 0);
  TRY("call:execve", execl("/bin/true", "true", (char*)NULL));
}

static void try_other_files(const char* log) {
  const int parent = getppid();
  TRY("file:passwd", opened("/etc/passwd", O_RDONLY));
  TRY("file:root-folder", opened("/", O_RDONLY | O_DIRECTORY));
  TRY("file:bridge-environ", opened_of(parent, "environ", O_RDONLY));
  TRY("file:bridge-mem", opened_of(parent, "mem", O_RDWR));
  TRY("file:bridge-maps", opened_of(parent, "maps", O_RDONLY));
  TRY("file:bridge-cmdline", opened_of(parent, "cmdline", O_RDONLY));
  TRY("file:own-mem", opened("/proc/self/mem", O_RDWR));
  TRY("file:own-program", opened("/proc/self/exe", O_RDONLY));
  TRY("file:load", opened("/proc/stat", O_RDONLY));
  TRY("file:zoneinfo", opened("/etc/localtime", O_RDONLY));
  TRY("file:tmp", opened("/tmp/flarebridge-intruder", O_WRONLY | O_CREAT));
  TRY("file:other-read", opened(log, O_RDONLY));
  TRY("file:other-write", opened(log, O_WRONLY));
  TRY("file:other-cut", opened(log, O_WRONLY | O_TRUNC));
  TRY("call:other-truncate", truncate(log, 0));
  TRY("call:other-chmod", chmod(log, 0777));
  TRY("call:other-chown", chown(log, getuid(), getgid()));
  TRY("call:other-utimes", utimensat(AT_FDCWD, log, NULL, 0));
  TRY("call:other-xattr", syscall(SYS_setxattr, log, "user.x", "x", 1, 0));
  TRY("call:inotify", syscall(SYS_inotify_init1, 0));
  TRY("call:chdir", chdir("/"));
}

static void try_names(const char* log, const char* own) {
  char beside[4096], inside[4096];
  snprintf(beside, sizeof beside, "%s.new", log);
  snprintf(inside, sizeof inside, "%s.link", own);
  TRY("file:beside-file", opened(beside, O_WRONLY | O_CREAT));
  TRY("file:beside-folder", mkdir(beside, 0700));
  TRY("file:symlink", symlink(log, inside));
  TRY("call:hard-link", link(log, inside));
  TRY("call:fifo", mkfifo(inside, 0600));
  TRY("file:other-rename", rename(log, beside));
  TRY("file:other-steal", rename(log, inside));
  TRY("file:other-remove", unlink(log));
}

static void try_sockets(void) {
  int pair[2];
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  struct sockaddr_un abstract = {.sun_family = AF_UNIX, .sun_path = "\0flarebridge"};
  TRY("call:socket-inet", socket(AF_INET, SOCK_STREAM, 0));
  TRY("call:socket-unix", socket(AF_UNIX, SOCK_STREAM, 0));
  TRY("call:socket-netlink", socket(AF_NETLINK, SOCK_RAW, 0));
  TRY("call:socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
  TRY("call:connect", connect(3, (struct sockaddr*)&address, sizeof address));
  TRY("call:bind", bind(3, (struct sockaddr*)&abstract, sizeof abstract));
  TRY("call:listen", listen(3, 1));
  TRY("call:sendto", sendto(3, "", 0, 0, (struct sockaddr*)&abstract, sizeof abstract));
  TRY("call:sendmsg", syscall(SYS_sendmsg, 3, NULL, 0) < 0 && errno != EFAULT ? -1 : 0);
}

static void try_the_kernel(void) {
  TRY("call:map-executed",
      mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
          ? -1
          : 0);
  static char page[8192];
  void* aligned = (void*)(((unsigned long)page + 4095) & ~4095UL);
  TRY("call:make-executed", mprotect(aligned, 4096, PROT_READ | PROT_EXEC));
  TRY("call:memfd", memfd_create("x", 0));
  TRY("call:shmget", syscall(SYS_shmget, 0x1234, 4096, 01600));
  TRY("call:msgget", syscall(SYS_msgget, 0x1234, 01600));
  TRY("call:dumpable", prctl(PR_SET_DUMPABLE, 1));
  int waiting = 0;
  TRY("call:ioctl", ioctl(3, FIONREAD, &waiting));
  TRY("call:setuid", syscall(SYS_setuid, getuid()));
  TRY("call:unshare", unshare(CLONE_NEWUSER));
  TRY("call:setns", setns(0, 0));
  TRY("call:chroot", chroot("/"));
  TRY("call:mount", syscall(SYS_mount, "none", "/nowhere", "tmpfs", 0, NULL));
  // Without arguments that make sense these fail in any case, with another error.
  static const struct {
    const char* name;
    long number;
  } kOthers[] = {
      {"call:io_uring", SYS_io_uring_setup},
      {"call:bpf", SYS_bpf},
      {"call:userfaultfd", SYS_userfaultfd},
      {"call:perf", SYS_perf_event_open},
      {"call:keyctl", SYS_keyctl},
      {"call:add_key", SYS_add_key},
      {"call:seccomp", SYS_seccomp},
      {"call:personality", SYS_personality},
      {"call:accept", SYS_accept4},
      {"call:recvmsg", SYS_recvmsg},
      {"call:open_by_handle", SYS_open_by_handle_at},
      {"call:name_to_handle", SYS_name_to_handle_at},
      {"call:kcmp", SYS_kcmp},
  };
  for (size_t i = 0; i < sizeof kOthers / sizeof *kOthers; ++i)
    TRY(kOthers[i].name, syscall(kOthers[i].number, -1L, -1L, -1L, -1L, -1L, -1L) < 0 &&
                                 (errno == EPERM || errno == ENOSYS)
                             ? -1
                             : 0);
}

// What a worker has to be able to do all the same.
static void try_its_work(const char* own) {
  char path[4096], moved[4096];
  snprintf(path, sizeof path, "%s.mine", own);
  snprintf(moved, sizeof moved, "%s.moved", own);
  TRY("own:create", opened(path, O_RDWR | O_CREAT | O_TRUNC));
  TRY("own:read", opened(path, O_RDONLY));
  TRY("own:rename", rename(path, moved));
  TRY("own:remove", unlink(moved));
  TRY("own:folder", mkdir(path, 0700));
  TRY("own:remove-folder", rmdir(path));
  TRY("own:signal", raise(0));
  TRY("own:memory",
      mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
          ? -1
          : 0);
}

static void intrude(const char* own) {
  const char *log = getenv("INTRUDER_LOG"), *victim = getenv("INTRUDER_VICTIM");
  char path[4096];
  snprintf(path, sizeof path, "%s.found", own);
  const int fd = real_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  found = fd < 0 ? NULL : fdopen(fd, "w");
  if (found == NULL || log == NULL || victim == NULL) return;
  setvbuf(found, NULL, _IOLBF, 0);
  try_its_work(own);
  try_signals(atoi(victim));
  try_processes(atoi(victim));
  try_sockets();
  try_the_kernel();
  try_other_files(log);
  try_names(log, own);
  fprintf(found, "end done 0\n");
  fclose(found);
}

// By its arguments; a confined worker can't read them any more.
static int is_worker;

__attribute__((constructor)) static void look_at_arguments(void) {
  char arguments[256] = {0};
  FILE* file = fopen("/proc/self/cmdline", "r");
  const size_t size = file == NULL ? 0 : fread(arguments, 1, sizeof arguments - 1, file);
  if (file != NULL) fclose(file);
  is_worker = memmem(arguments, size, "\0worker", sizeof "\0worker") != NULL;
}

long syscall(long number, ...) {
  long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; ++i) a[i] = va_arg(list, long);
  va_end(list);
  if (is_worker && number == SYS_landlock_restrict_self && getenv("INTRUDER_NO_LANDLOCK") != NULL) {
    errno = ENOMEM;
    return -1;
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int open(const char* path, int flags, ...) {
  real_open = (int (*)(const char*, int, ...))dlsym(RTLD_NEXT, "open");
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  const char* end = strstr(path, "intruder.txt");
  if (end != NULL && strcmp(end, "intruder.txt") == 0) intrude(path);
  return real_open(path, flags, mode);
}
