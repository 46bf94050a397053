#include "bridge/workers/confine.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "bridge/process/sanitized.h"
#include "bridge/process/secrets.h"
#include "bridge/workers/allowed_calls.h"
#include "bridge/workers/landlock.h"
#include "receivers/files/system_error.h"
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

// What the opening of a run reads besides: how many processors there are, for W&B's environment
// record, and the time zone of a folder's name. Not all of /proc: it shows other processes.
const std::vector<fs::path>& SystemFiles() {
  static const std::vector<fs::path> files = {"/proc/stat", "/sys/devices/system/cpu/online",
                                              "/etc/localtime", "/usr/share/zoneinfo"};
  // A sanitizer's report reads the maps, and the names of lines in all that is loaded.
  static const std::vector<fs::path> sanitized = {"/proc", "/sys", "/usr", "/lib",
                                                  "/etc/localtime"};
  return kSanitized ? sanitized : files;
}

void Limit(__rlimit_resource resource, rlim_t most) {
  const rlimit limit{most, most};
  (void)setrlimit(resource, &limit);
}

}  // namespace

std::string Confinement::Missing() const {
  std::string missing;
  if (!files) missing += "files are not kept apart (" + files.error().message + ")";
  if (!calls) {
    missing += missing.empty() ? "" : ", ";
    missing += "system calls are not limited (" + calls.error().message + ")";
  }
  return missing;
}

Confinement Confine(const std::vector<fs::path>& folders, const std::vector<fs::path>& read) {
  TakeNoNewPrivileges();
  Limit(RLIMIT_NOFILE, kMostDescriptors);
  if (!kSanitized) Limit(RLIMIT_NPROC, 0);
  if (!kSanitized) Limit(RLIMIT_DATA, kMostMemory);
  KeepSecrets();
  std::vector<fs::path> reads = SystemFiles();
  reads.insert(reads.end(), read.begin(), read.end());
  Expected<int> files = RestrictFiles({folders, true, reads});
  // Last: it refuses what the steps before it need.
  return {std::move(files), RestrictCalls()};
}

Expected<void> ConfineTo(const std::vector<fs::path>& folders, const std::vector<fs::path>& read) {
  std::vector<fs::path> reads = kSanitized ? SystemFiles() : std::vector<fs::path>();
  reads.insert(reads.end(), read.begin(), read.end());
  const Expected<int> narrowed = RestrictFiles({folders, false, reads});
  if (!narrowed) return Propagate(narrowed);
  return {};
}

std::string MissingConfinement() {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return FailSystem("pipe").value().message;
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  const pid_t child = fork();
  if (child < 0) return FailSystem("fork").value().message;
  if (child == 0) {
    std::string missing = Confine({}).Missing();
    const Expected<void> narrowed = ConfineTo({});
    if (missing.empty() && !narrowed) missing = narrowed.error().message;
    (void)!write(to.get(), missing.data(), missing.size());
    _exit(0);
  }
  to.Close();
  std::string missing;
  std::array<char, 512> piece{};
  while (true) {
    const ssize_t got = read(from.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    missing.append(piece.data(), static_cast<size_t>(got));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) missing = "a process that confines itself does not live";
  return missing;
}

}  // namespace flarebridge
