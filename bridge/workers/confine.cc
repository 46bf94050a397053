#include "bridge/workers/confine.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

#include "bridge/process/secrets.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A run takes its log, its folder and a file of the run at a time; the rest is for libraries.
constexpr rlim_t kMostDescriptors = 64;

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

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;
#endif

// The leak sanitizer looks at its own process from a thread of its own, by ptrace.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// Calls that fail with EPERM.
constexpr std::array kForbidden = {
    SYS_socket,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_execve,
    SYS_execveat,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_pidfd_open,
    SYS_pidfd_getfd,
    SYS_kill,
    SYS_tkill,
    SYS_mount,
    SYS_umount2,
    SYS_unshare,
    SYS_setns,
    SYS_pivot_root,
    SYS_chroot,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_init_module,
    SYS_finit_module,
    SYS_kexec_load,
    SYS_io_uring_setup,
    kSanitized ? SYS_kexec_load : SYS_ptrace,
};

void RestrictCalls() {
  if (kArchitecture == 0) return;
  // One comparison per call that is forbidden, each of which skips to the refusal at the end.
  std::array<sock_filter, kForbidden.size() + 7> program{};
  size_t size = 0;
  const auto add = [&](sock_filter instruction) { program.at(size++) = instruction; };
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  add(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  // Of x86-64 there is a second numbering of all calls (x32), which nothing here uses.
  constexpr uint32_t kX32 = 0x40000000;
  add(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, static_cast<uint8_t>(kForbidden.size() + 1), 0));
  for (size_t i = 0; i < kForbidden.size(); ++i) {
    const auto left = static_cast<uint8_t>(kForbidden.size() - i);
    add(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(kForbidden.at(i)), left, 0));
  }
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  add(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  const sock_fprog whole{static_cast<unsigned short>(size), program.data()};
  (void)prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole);
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
  WriteNoCoreDumps();
}

}  // namespace flarebridge
