#include "receivers/wandb/upload/file_uploads.h"

#include <algorithm>

#include "receivers/files/stable_hash.h"
#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {
namespace {

// Files are gathered for a moment, so that small ones go together.
constexpr std::chrono::seconds kInterval{2};
constexpr size_t kTogether = 16;
constexpr uint64_t kBytesTogether = uint64_t{4} << 20;
// Errands of one run at once.
constexpr size_t kAtOnce = 4;
constexpr unsigned kMostRenewals = 3;
// Of one file (W&B's own limit for run files is 5 GiB).
constexpr uint64_t kMaxFile = uint64_t{5} << 30;

}  // namespace

void FileUploads::Want(const std::string& name, Time now) {
  RunFile file;
  file.name = name;
  // A log may come from anywhere; its names may not lead out of the folder.
  if (SafeRelativePath(name).generic_string() != name) {
    missing_[name] = "leads out of the run's folder";
    return;
  }
  if (const Expected<UniqueFd> opened = OpenRunFile(folder_, links_, file); !opened) {
    const bool link = opened.error().code == ErrorCode::kForbidden && links_ == Links::kRefuse;
    missing_[name] = opened.error().message +
                     (link ? "; --follow-links takes what links of your own lead to" : "");
  } else if (file.size > kMaxFile) {
    missing_[name] = "has more than 5 GiB";
  } else {
    Add(std::move(file), now);
  }
}

void FileUploads::WantMade(const std::string& name, Make make, Time now) {
  RunFile file;
  file.name = name;
  file.make = std::move(make);
  const Expected<std::string> content = file.make();
  if (!content) {
    missing_[name] = content.error().message;
    return;
  }
  file.size = content->size();
  file.stamp = StableHash(*content);
  Add(std::move(file), now);
}

void FileUploads::Add(RunFile file, Time now) {
  const auto is_among = [&file](const std::map<std::string, uint64_t>& known) {
    const auto had = known.find(file.name);
    return had != known.end() && had->second == file.stamp;
  };
  if (is_among(given_up_)) return;
  missing_.erase(file.name);
  if (is_among(sending_) || is_among(state_.files)) return;
  if (wanted_.empty()) wanted_since_ = now;
  wanted_.push_back(std::move(file));
}

std::optional<FileUploads::Time> FileUploads::DueAt(bool at_once) const {
  if (on_their_way_.size() >= kAtOnce) return std::nullopt;
  const bool gathered = at_once || wanted_.size() >= kTogether;
  const Time first = gathered ? Time{} : wanted_since_ + kInterval;
  std::optional<Time> due;
  for (const RunFile& file : wanted_) {
    if (sending_.contains(file.name)) continue;
    const Time at = std::max({file.due, first, storage_due_});
    if (!due || at < *due) due = at;
  }
  return due;
}

std::shared_ptr<Errand> FileUploads::Send(const Account& account, const RunAddress& run, Time now) {
  std::vector<RunFile> together;
  std::deque<RunFile> left;
  uint64_t bytes = 0;
  bool full = false;
  for (RunFile& file : wanted_) {
    const bool fits = together.empty() || (!full && !file.alone && together.size() < kTogether &&
                                           bytes + file.size <= kBytesTogether);
    if (!fits || file.due > now || sending_.contains(file.name)) {
      left.push_back(std::move(file));
      continue;
    }
    bytes += file.size;
    full = file.alone;
    sending_[file.name] = file.stamp;
    together.push_back(std::move(file));
  }
  wanted_ = std::move(left);
  const auto errand =
      std::make_shared<FileErrand>(folder_, links_, account, run, std::move(together));
  on_their_way_.push_back(errand);
  return errand;
}

void FileUploads::GiveUp(const RunFile& file, const std::string& why) {
  given_up_[file.name] = file.stamp;
  missing_[file.name] = why;
}

Expected<FileUploads::News> FileUploads::Collect(const Patience& patience, Time now) {
  News news;
  const auto over = std::stable_partition(on_their_way_.begin(), on_their_way_.end(),
                                          [](const auto& errand) { return !errand->over(); });
  const std::vector<std::shared_ptr<FileErrand>> came(over, on_their_way_.end());
  on_their_way_.erase(over, on_their_way_.end());
  for (const std::shared_ptr<FileErrand>& errand : came) {
    news.any = true;
    if (errand->asked()) news.questions.push_back(*errand->asked());
    const bool answered = !errand->asked() || errand->asked()->outcome == Outcome::kSuccess;
    for (FileErrand::Item& item : errand->items()) {
      sending_.erase(item.file.name);
      if (answered || item.end != FileErrand::End::kNotTried) {
        Settle(item, patience, now);
        continue;
      }
      const Expected<void> settled =
          SettleUnasked(item.file, *errand->asked(), errand->asked_for() == 1, patience, now);
      if (!settled) return Propagate(settled);
    }
  }
  return news;
}

Expected<void> FileUploads::SettleUnasked(RunFile& file, const Attempt& asked, bool alone,
                                          const Patience& patience, Time now) {
  const std::string what = "asking where files go";
  const bool refused = asked.outcome == Outcome::kRefused;
  if (refused && (asked.status == 401 || asked.status == 403))
    return Fail(ErrorCode::kForbidden, what + " was refused: " + asked.words);
  if (refused && alone) {
    GiveUp(file, "is refused by the server: " + asked.words);
    return {};
  }
  if (refused) {
    file.alone = true;  // it may be one of the others
  } else {
    const std::optional<Time> again = file.retries.Failed(now, patience.waits, patience.random,
                                                          asked.retry_after, patience.retry_for);
    if (!again) return Fail(ErrorCode::kIo, what + " failed for too long: " + asked.words);
    file.due = *again;
    trouble_ = what + ": " + asked.words;
  }
  wanted_.push_back(std::move(file));
  return {};
}

void FileUploads::Settle(FileErrand::Item& item, const Patience& patience, Time now) {
  RunFile& file = item.file;
  const Attempt& attempt = item.attempt;
  const std::string bytes = "has " + std::to_string(file.size) + " bytes, and the storage ";
  switch (item.end) {
    case FileErrand::End::kTaken:
      state_.files[file.name] = file.stamp;
      state_.unreported.push_back(file.name);
      trouble_.clear();
      storage_.Over();
      storage_due_ = {};
      return;
    case FileErrand::End::kNoAddress:
      return GiveUp(file, "is not taken by the server");
    case FileErrand::End::kGone:
      return GiveUp(file, attempt.words);
    case FileErrand::End::kNotTried:
      file.address.reset();
      break;
    case FileErrand::End::kFailed:
      if (attempt.status == 403 && file.renewals++ < kMostRenewals) {
        file.address.reset();  // it has expired
        break;
      }
      if (attempt.outcome == Outcome::kRefused)
        return GiveUp(file, bytes + "refuses it: " + attempt.words);
      const auto again_of = [&](Retries& retries) {
        return retries.Failed(now, patience.waits, patience.random, attempt.retry_after,
                              patience.retry_for);
      };
      const std::optional<Time> again = again_of(file.retries);
      // A storage that takes none is not waited for once for each of them.
      if (!again_of(storage_) || !again)
        return GiveUp(file, bytes + "has not taken it for too long: " + attempt.words);
      file.due = *again;
      if (attempt.status == 0) storage_due_ = *again;
      trouble_ = "uploading the file " + file.name + ": " + attempt.words;
  }
  wanted_.push_back(std::move(file));
}

}  // namespace flarebridge::wandb
