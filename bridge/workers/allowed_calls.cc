#include "bridge/workers/allowed_calls.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "bridge/process/sanitized.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// The list was made for these; the older names of 32-bit machines are not on it.
#if defined(__x86_64__) || defined(__aarch64__)
constexpr bool kKnownMachine = true;
#else
constexpr bool kKnownMachine = false;
#endif

// Whatever their arguments. What a worker was seen to call with glibc 2.36, and other calls that
// glibc 2.31 to 2.41 makes for the same functions of C and C++. They reach no further than the
// files that Landlock leaves and the descriptors that are open. Not among them, although receivers
// touch files: chmod, chown, utimensat, setxattr, truncate by path, link, mknod, none of which
// Landlock of any, or of every, version stops.
constexpr std::array kAllowed = {
    // bytes of open files
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64),
    SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2),
    SCMP_SYS(lseek), SCMP_SYS(ftruncate), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(fallocate),
    SCMP_SYS(fadvise64), SCMP_SYS(copy_file_range), SCMP_SYS(flock), SCMP_SYS(dup), SCMP_SYS(close),
    SCMP_SYS(close_range),
    // names
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(getdents64), SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rename),
    SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(symlink), SCMP_SYS(symlinkat),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
    // what files are
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    // the socket to the bridge
    SCMP_SYS(recvfrom), SCMP_SYS(poll), SCMP_SYS(ppoll),
    // memory
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // time and chance
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(restart_syscall),
    // what this process and this machine are
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid),
    SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrlimit), SCMP_SYS(getrusage), SCMP_SYS(uname),
    SCMP_SYS(sysinfo), SCMP_SYS(sched_yield),
    // locks within this process; its own signals and its end
    SCMP_SYS(futex), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(exit), SCMP_SYS(exit_group),
    // a second, narrower set of files: it can only take more away
    SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
    SCMP_SYS(landlock_restrict_self)};

// A sanitizer has threads of its own, and looks for leaks with a tracer of its own process.
constexpr std::array kForSanitizers = {
    SCMP_SYS(clone),      SCMP_SYS(wait4),           SCMP_SYS(ptrace), SCMP_SYS(prctl),
    SCMP_SYS(arch_prctl), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),   SCMP_SYS(mprotect),
    SCMP_SYS(mmap),       SCMP_SYS(personality),     SCMP_SYS(ioctl),  SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getdents)};

// Calls that a C library tries first and does in another way where the kernel does not know them:
// only ENOSYS sends it there. A thread by clone3() can't be told from a process, because a filter
// sees no memory. From kNewer on libseccomp 2.5.4 has no names; the numbers are the same on all
// machines (include/uapi/asm-generic/unistd.h), and Linux 6.17 ends below kNewest.
constexpr int kNewer = 451, kNewest = 475;

class Filter {
 public:
  Filter() : filter_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release) {}

  void Allow(int call) { Rule(SCMP_ACT_ALLOW, call, 0, nullptr); }
  void AllowIf(int call, scmp_arg_cmp argument) { Rule(SCMP_ACT_ALLOW, call, 1, &argument); }
  void Deny(int call, uint32_t error_number) {
    Rule(SCMP_ACT_ERRNO(error_number), call, 0, nullptr);
  }

  Expected<void> Load() {
    if (!filter_) return Fail(ErrorCode::kUnsupported, "libseccomp does not know this machine");
    // Other numberings of all calls, as x86-64 has two, which nothing here uses.
    Note(seccomp_attr_set(filter_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)));
    // A tree in place of a list: 7 comparisons a call, not 70. libseccomp 2.5 has it.
    (void)seccomp_attr_set(filter_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (failed_ == 0) Note(seccomp_load(filter_.get()));
    if (failed_ == 0) return {};
    return Fail(
        ErrorCode::kUnsupported,
        FailSystem("this kernel, or somebody, refuses a filter of calls", failed_).value().message);
  }

 private:
  void Rule(uint32_t action, int call, unsigned count, const scmp_arg_cmp* arguments) {
    // A name that this machine has no call for.
    if (!filter_ || call < 0) return;
    Note(seccomp_rule_add_array(filter_.get(), action, call, count, arguments));
  }
  void Note(int result) {
    if (result < 0 && failed_ == 0) failed_ = -result;
  }

  std::unique_ptr<void, decltype(&seccomp_release)> filter_;
  int failed_ = 0;
};

void AllowByArguments(Filter& filter) {
  const auto self = static_cast<uint64_t>(getpid());
  const auto is = [](unsigned argument, uint64_t value) {
    return scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0};
  };
  // Signals to itself alone: abort() and raise().
  filter.AllowIf(SCMP_SYS(kill), is(0, self));
  filter.AllowIf(SCMP_SYS(tgkill), is(0, self));
  // Of itself alone.
  filter.AllowIf(SCMP_SYS(prlimit64), is(0, 0));
  filter.AllowIf(SCMP_SYS(sched_getaffinity), is(0, 0));
  // No owner and no signal for a descriptor, no locks on parts of files.
  for (const int command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC})
    filter.AllowIf(SCMP_SYS(fcntl), is(1, static_cast<uint64_t>(command)));
  // To where the socket is connected.
  filter.AllowIf(SCMP_SYS(sendto), is(4, 0));
  // No memory that is executed: the program is all there is.
  const scmp_arg_cmp not_executed{2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0};
  if (kSanitized) return;
  filter.AllowIf(SCMP_SYS(mmap), not_executed);
  filter.AllowIf(SCMP_SYS(mprotect), not_executed);
}

}  // namespace

// Costs a worker 0.35 ms at its start and 150 KiB of heap, which is used again by what comes
// (measured with libseccomp 2.5.4 linked in).
Expected<void> RestrictCalls() {
  if (!kKnownMachine)
    return Fail(ErrorCode::kUnsupported, "the system calls of this kind of machine are not known");
  Filter filter;
  for (const int call : kAllowed) filter.Allow(call);
  AllowByArguments(filter);
  if (kSanitized) {
    for (const int call : kForSanitizers) filter.Allow(call);
  }
  filter.Deny(SCMP_SYS(clone3), ENOSYS);
  for (int call = kNewer; call < kNewest; ++call) filter.Deny(call, ENOSYS);
  return filter.Load();
}

}  // namespace flarebridge
