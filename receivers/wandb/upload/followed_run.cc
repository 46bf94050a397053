#include "receivers/wandb/upload/followed_run.h"

namespace flarebridge::wandb {
namespace {

// A log that nobody has locked is written by somebody else if it has grown within this time.
constexpr std::chrono::seconds kLifeAfterGrowth{600};
// What seems to be damage for so long is damage.
constexpr std::chrono::seconds kSettled{2};
// The console as a file; the lines themselves go to the stream without a limit.
constexpr size_t kMaxConsole = size_t{64} << 20;

}  // namespace

FollowedRun::FollowedRun(std::filesystem::path log)
    : log_(std::move(log)), follower_(std::make_unique<LogFollower>(log_)) {}

void FollowedRun::Restart(std::map<std::string, uint64_t> confirmed, Form form) {
  follower_ = std::make_unique<LogFollower>(log_);
  end_ = LogFollower::End::kMore;
  settling_ = false;
  view_ = RunView();
  lines_ = LineBuffer(std::move(confirmed), form.structured_console);
  sent_ = SentRecords();
  if (form.first_step) sent_.CountOn(*form.first_step);
  confirmed_ = 0;
}

bool FollowedRun::EndWasTakenBack() {
  const bool changed = follower_->IsShorterThanRead() || end_ == LogFollower::End::kCorrupt;
  if (taken_back_ || !view_.ended() || !changed) return false;
  taken_back_ = true;
  return true;
}

Expected<void> FollowedRun::Read(Time now, size_t most, const Found& found) {
  const bool was_damaged = end_ == LogFollower::End::kCorrupt;
  const bool stays = was_damaged && now - damaged_since_ >= kSettled;
  follower_->ChooseOnDamage(stays ? OnDamage::kSkip : OnDamage::kStop);
  size_t files = view_.files().size();
  const Expected<LogFollower::End> end = follower_->Read([&](const ParsedRecord& logged) {
    const ParsedRecord& record = sent_.Of(logged);
    grown_ = now;
    view_.Take(record);
    lines_.Take(record, view_.run().start_time);
    for (; files < view_.files().size(); ++files) found.file(view_.files()[files]);
    if (record.kind == ParsedRecord::Kind::kOther) found.record(record);
    return !lines_.full() && lines_.bytes() < most;
  });
  if (!end) return Propagate(end);
  end_ = *end;
  const bool is_damaged = end_ == LogFollower::End::kCorrupt;
  if (is_damaged && !was_damaged) damaged_since_ = now;
  settling_ = is_damaged && !stays;
  if (!is_damaged) taken_back_ = false;
  return {};
}

uint64_t FollowedRun::bad_bytes() const {
  const auto [read, size] = Position();
  return follower_->bad_bytes() + (damaged() && size > read ? size - read : 0);
}

bool FollowedRun::IsAlive(Time now) const {
  return follower_->HasWriter() || now - grown_ < kLifeAfterGrowth;
}

Expected<std::string> ConsoleText(const std::filesystem::path& log) {
  LogFollower follower(log, OnDamage::kSkip);
  std::string text;
  ConsoleLines lines;
  const auto add = [&text](const ConsoleLine& line) { text += line.text + "\n"; };
  const Expected<LogFollower::End> end = follower.Read([&](const ParsedRecord& record) {
    if (record.kind == ParsedRecord::Kind::kOutput) lines.Take(record, add);
    return text.size() < kMaxConsole;
  });
  if (!end) return Propagate(end);
  lines.End(add);
  return text;
}

}  // namespace flarebridge::wandb
