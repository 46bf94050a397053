#include "bridge/workers/confine.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

#include "bridge/process/secrets.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A run takes its log, its folder and a file of the run at a time; the rest is for libraries.
constexpr rlim_t kMostDescriptors = 64;
// Bytes of a worker's own memory. It holds events of 1 MiB, a row of 10 MiB and, while it reads a
// log to go on with it, one record of it; a worker takes 2 MiB then. What takes more is a defect,
// which ends this worker (and at the third time is left out) and not the training beside it.
constexpr rlim_t kMostMemory = rlim_t{4} << 30;

// Debian 12's headers know version 1 to 3 of Landlock (include/uapi/linux/landlock.h).
constexpr uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                            LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                            LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                            LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kRefer = uint64_t{1} << 13, kTruncate = uint64_t{1} << 14;  // of versions 2, 3

void Allow(int rules, const fs::path& path, uint64_t access) {
  const UniqueFd folder(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!folder) return;
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = access;
  beneath.parent_fd = folder.get();
  (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0U);
}

void RestrictFiles(const std::vector<fs::path>& folders) {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return;
  landlock_ruleset_attr handled{};
  handled.handled_access_fs = kRead | kWrite | LANDLOCK_ACCESS_FS_EXECUTE |
                              (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0);
  const UniqueFd rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0U)));
  if (!rules) return;
  for (const fs::path& folder : folders)
    Allow(rules.get(), folder, handled.handled_access_fs & ~uint64_t{LANDLOCK_ACCESS_FS_EXECUTE});
  // The system's load, for client-side runs; what the C library reads now and then.
  for (const char* path : {"/proc", "/sys", "/usr", "/lib", "/etc/localtime"})
    Allow(rules.get(), path, kRead);
  (void)syscall(SYS_landlock_restrict_self, rules.get(), 0U);
}

// The leak sanitizer looks at its own process from a thread of its own, by ptrace.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Calls that fail with EPERM. A list of the calls that are allowed would be tighter, but what the C
// library calls differs with its version: one that is missed there would end a run.
constexpr std::array kForbidden = {
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(io_uring_setup),
    kSanitized ? SCMP_SYS(kexec_load) : SCMP_SYS(ptrace),
};

void RestrictCalls() {
  // Costs a worker 25 KiB and 20 us more than a filter written by hand (measured, libseccomp 2.5.4
  // linked in). Nothing where it does not know the machine.
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                                 &seccomp_release);
  if (!filter) return;
  constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);
  // Other numberings of all calls, as x86-64 has two, which nothing here uses.
  (void)seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, kRefuse);
  for (const int call : kForbidden) (void)seccomp_rule_add(filter.get(), kRefuse, call, 0);
  (void)seccomp_load(filter.get());
}

void Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit{most, most};
  (void)setrlimit(resource, &limit);
}

}  // namespace

void Confine(const std::vector<fs::path>& folders) {
  TakeNoNewPrivileges();
  RestrictFiles(folders);
  RestrictCalls();
  Limit(RLIMIT_NOFILE, kMostDescriptors);
  if (!kSanitized) Limit(RLIMIT_NPROC, 0);
  if (!kSanitized) Limit(RLIMIT_DATA, kMostMemory);
  WriteNoCoreDumps();
}

}  // namespace flarebridge
