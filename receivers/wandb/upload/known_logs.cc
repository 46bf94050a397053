#include "receivers/wandb/upload/known_logs.h"

#include <algorithm>
#include <system_error>

#include "receivers/wandb/log/log_follower.h"
#include "receivers/wandb/upload/upload_notes.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// The run record is the second one; a log that has none among so many is no run's.
constexpr int kFirstRecords = 100;

}  // namespace

fs::path PlainPath(const fs::path& path) { return fs::absolute(path).lexically_normal(); }

std::optional<LogIdentity> IdentityOf(const fs::path& log) {
  LogFollower follower(log, OnDamage::kSkip);
  std::optional<LogIdentity> identity;
  int records = 0;
  (void)follower.Read([&](const ParsedRecord& record) {
    if (record.kind == ParsedRecord::Kind::kRun) {
      const RunRecord& run = record.run;
      identity = {run.run_id, run.entity, run.project, run.start_time, record.mark.has_value()};
    }
    return !identity && ++records < kFirstRecords;
  });
  return identity;
}

bool IsUploadedByItsWriter(const fs::path& log, const fs::path& notes) {
  if (!log.parent_path().filename().string().starts_with("run-")) return false;
  std::error_code ignored;
  if (fs::exists(StatePath(log), ignored) || UploadNotes(log, notes).Latest()) return false;
  const std::optional<LogIdentity> identity = IdentityOf(log);
  return !identity || !identity->ours;
}

void KnownLogs::Add(const fs::path& log) {
  const fs::path plain = PlainPath(log);
  const MutexLock lock(mutex_);
  const auto [first, last] = logs_.equal_range(plain.filename());
  const bool known = std::any_of(first, last, [&](const auto& it) { return it.second == plain; });
  if (!known) logs_.emplace(plain.filename(), plain);
}

std::vector<fs::path> KnownLogs::WithName(const fs::path& name) const {
  const MutexLock lock(mutex_);
  std::vector<fs::path> found;
  const auto [first, last] = logs_.equal_range(name);
  for (auto log = first; log != last; ++log) found.push_back(log->second);
  return found;
}

void KnownLogs::Begin(const fs::path& log) {
  const MutexLock lock(mutex_);
  at_work_.insert(PlainPath(log));
}

void KnownLogs::End(const fs::path& log) {
  const MutexLock lock(mutex_);
  at_work_.erase(PlainPath(log));
}

bool KnownLogs::IsAtWork(const fs::path& log) const {
  const MutexLock lock(mutex_);
  return at_work_.contains(PlainPath(log));
}

}  // namespace flarebridge::wandb
