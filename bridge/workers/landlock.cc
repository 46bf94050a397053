#include "bridge/workers/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "receivers/files/file_info.h"
#include "receivers/files/system_error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// What later versions added to include/uapi/linux/landlock.h; Debian 12's ends with version 3.
constexpr uint64_t kRefer = uint64_t{1} << 13;     // version 2
constexpr uint64_t kTruncate = uint64_t{1} << 14;  // version 3
constexpr uint64_t kTcp = 3;                       // version 4: bind and connect
constexpr uint64_t kIoctl = uint64_t{1} << 15;     // version 5: on devices
constexpr uint64_t kScopes = 3;                    // version 6: abstract sockets and signals

// struct landlock_ruleset_attr of version 6. An older kernel takes it if what it does not know is
// zero (copy_struct_from_user).
struct Ruleset {
  uint64_t files = 0;
  uint64_t network = 0;
  uint64_t scoped = 0;
};

constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                            LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                            LANDLOCK_ACCESS_FS_MAKE_REG | kRefer | kTruncate;
// What a rule about a file, and not a folder, may name.
constexpr uint64_t kOfFile =
    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;

// All that the version knows, so that what no rule names is refused.
Ruleset Handled(long version) {
  Ruleset handled;
  constexpr uint64_t kVersion1 = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
  handled.files = kVersion1 | (version >= 2 ? kRefer : 0) | (version >= 3 ? kTruncate : 0) |
                  (version >= 5 ? kIoctl : 0);
  if (version >= 4) handled.network = kTcp;
  if (version >= 6) handled.scoped = kScopes;
  return handled;
}

void Allow(int rules, const fs::path& path, uint64_t access) {
  const UniqueFd opened(open(path.c_str(), O_PATH | O_CLOEXEC));
  const Expected<FileInfo> info = InfoOf(opened.get());
  if (!opened || !info) return;
  landlock_path_beneath_attr beneath{};
  beneath.allowed_access = info->is_folder ? access : access & kOfFile;
  beneath.parent_fd = opened.get();
  (void)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0U);
}

tl::unexpected<Error> FailLandlock() {
  const int error_number = errno;
  const char* reason = error_number == ENOSYS       ? "this kernel has no Landlock"
                       : error_number == EOPNOTSUPP ? "Landlock is switched off in this kernel"
                       : error_number == EPERM      ? "somebody refuses the calls of Landlock"
                                                    : "Landlock fails";
  return Fail(ErrorCode::kUnsupported, FailSystem(reason, error_number).value().message);
}

}  // namespace

Expected<int> RestrictFiles(const ReachableFiles& reachable) {
  const long version =
      syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return FailLandlock();
  const Ruleset handled = Handled(version);
  const UniqueFd rules(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0U)));
  if (!rules) return FailLandlock();
  const uint64_t write = kWrite | (reachable.links ? LANDLOCK_ACCESS_FS_MAKE_SYM : 0);
  for (const fs::path& path : reachable.written) Allow(rules.get(), path, write & handled.files);
  for (const fs::path& path : reachable.read) Allow(rules.get(), path, kRead & handled.files);
  if (syscall(SYS_landlock_restrict_self, rules.get(), 0U) != 0) return FailLandlock();
  return static_cast<int>(version);
}

}  // namespace flarebridge
