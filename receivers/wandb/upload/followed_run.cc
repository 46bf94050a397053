#include "receivers/wandb/upload/followed_run.h"

namespace flarebridge::wandb {
namespace {

// A log that nobody has locked is written by somebody else if it has grown within this time.
constexpr std::chrono::seconds kLifeAfterGrowth{600};
// The console as a file; the lines themselves go to the stream without a limit.
constexpr size_t kMaxConsole = size_t{64} << 20;

}  // namespace

FollowedRun::FollowedRun(std::filesystem::path log)
    : log_(std::move(log)), follower_(std::make_unique<LogFollower>(log_)) {}

void FollowedRun::Restart(std::map<std::string, uint64_t> confirmed) {
  follower_ = std::make_unique<LogFollower>(log_);
  end_ = LogFollower::End::kMore;
  view_ = RunView();
  lines_ = LineBuffer(std::move(confirmed));
  confirmed_ = 0;
}

bool FollowedRun::EndWasTakenBack() {
  if (taken_back_ || !view_.ended() || !(follower_->IsShorterThanRead() || damaged())) return false;
  taken_back_ = true;
  return true;
}

Expected<void> FollowedRun::Read(Time now,
                                 const std::function<void(const std::string& file)>& named) {
  size_t files = view_.files().size();
  const Expected<LogFollower::End> end = follower_->Read([&](const ParsedRecord& record) {
    grown_ = now;
    view_.Take(record);
    lines_.Take(record, view_.run().start_time);
    for (; files < view_.files().size(); ++files) named(view_.files()[files]);
    return !lines_.full();
  });
  if (!end) return Propagate(end);
  end_ = *end;
  if (!damaged()) taken_back_ = false;
  return {};
}

bool FollowedRun::IsAlive(Time now) const {
  return follower_->HasWriter() || now - grown_ < kLifeAfterGrowth;
}

Expected<std::string> FollowedRun::ConsoleText() const {
  LogFollower follower(log_);
  std::string text;
  const Expected<LogFollower::End> end = follower.Read([&](const ParsedRecord& record) {
    if (record.kind == ParsedRecord::Kind::kOutput) text += record.line;
    return text.size() < kMaxConsole;
  });
  if (!end) return Propagate(end);
  return text;
}

}  // namespace flarebridge::wandb
