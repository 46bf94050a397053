#include "receivers/wandb/upload/file_uploads.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "receivers/files/file_info.h"
#include "receivers/files/stable_hash.h"
#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// Files are asked for together.
constexpr std::chrono::seconds kInterval{2};
constexpr size_t kAtOnce = 50;
constexpr unsigned kMostRenewals = 3;
// Of one file (W&B's own limit for run files is 5 GiB).
constexpr uint64_t kMaxFile = uint64_t{5} << 30;

}  // namespace

Expected<UniqueFd> FileUploads::Open(File& file) const {
  Expected<UniqueFd> opened = OpenBelow(folder_, fs::path("files") / file.name, links_);
  if (!opened) return opened;
  const Expected<FileInfo> info = InfoOf(opened->get());
  if (!info) return Propagate(info);
  file.size = info->size;
  // Content that is written anew comes with a new time.
  file.stamp = StableHash(std::to_string(info->size) + " " + std::to_string(info->seconds) + " " +
                          std::to_string(info->nanoseconds));
  return opened;
}

void FileUploads::Want(const std::string& name, Time now) {
  File file{name, std::nullopt};
  // A log may come from anywhere; its names may not lead out of the folder.
  if (SafeRelativePath(name).generic_string() != name) {
    missing_[name] = "leads out of the run's folder";
    return;
  }
  if (const Expected<UniqueFd> opened = Open(file); !opened) {
    const bool link = opened.error().code == ErrorCode::kForbidden && links_ == Links::kRefuse;
    missing_[name] = opened.error().message +
                     (link ? "; --follow-links takes what links of your own lead to" : "");
  } else if (file.size > kMaxFile) {
    missing_[name] = "has more than 5 GiB";
  } else {
    missing_.erase(name);
    Add(std::move(file), now);
  }
}

void FileUploads::WantContent(const std::string& name, std::string content, Time now) {
  const size_t size = content.size();
  const uint64_t stamp = StableHash(content);
  Add({name, std::move(content), size, stamp}, now);
}

void FileUploads::Add(File file, Time now) {
  const auto had = state_.files.find(file.name);
  if (had != state_.files.end() && had->second == file.stamp) return;
  if (wanted_.empty()) wanted_since_ = now;
  wanted_.push_back(std::move(file));
}

bool FileUploads::AskIsDue(Time now) const {
  return wanted_.size() >= kAtOnce || (!wanted_.empty() && now - wanted_since_ >= kInterval);
}

Attempt FileUploads::Ask(Api& api, const RunAddress& run) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(kAtOnce, wanted_.size()); ++i) names.push_back(wanted_[i].name);
  std::vector<Api::Upload> uploads;
  Attempt attempt = api.CreateFiles(run, names, uploads);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto upload = std::find_if(uploads.begin(), uploads.end(), [&](const auto& candidate) {
      return candidate.name == wanted_.front().name;
    });
    if (upload != uploads.end()) {
      addressed_.emplace_back(std::move(wanted_.front()), *upload);
    } else {
      missing_[wanted_.front().name] = "is not taken by the server";
    }
    wanted_.pop_front();
  }
  return attempt;
}

Attempt FileUploads::Put(Api& api) {
  auto& [file, upload] = addressed_.front();
  if (file.content) return api.Put(upload, *file.content);
  const Expected<UniqueFd> opened = Open(file);  // it may have been written anew
  gone_ = !opened;
  if (opened) return api.PutFile(upload, opened->get(), file.size);
  missing_[file.name] = opened.error().message;
  Attempt attempt;
  attempt.outcome = Outcome::kRefused;
  attempt.words = file.name + " " + opened.error().message;
  return attempt;
}

void FileUploads::PutWasTaken() {
  renewals_ = 0;
  const File& file = addressed_.front().first;
  state_.files[file.name] = file.stamp;
  state_.unreported.push_back(file.name);
  addressed_.pop_front();
}

bool FileUploads::PutIsSettled(const Attempt& attempt) {
  File& file = addressed_.front().first;
  // It may have gone while it was sent.
  if (!file.content && !gone_) {
    const Expected<UniqueFd> opened = Open(file);
    gone_ = !opened;
    if (gone_) missing_[file.name] = opened.error().message;
  }
  if (std::exchange(gone_, false)) {
    addressed_.pop_front();
    return true;
  }
  if (attempt.status != 403 || renewals_++ >= kMostRenewals) return false;
  // A signed address is valid for a time only: a new one is asked for.
  wanted_.push_front(std::move(file));
  addressed_.pop_front();
  return true;
}

void FileUploads::Restart() {
  wanted_.clear();
  addressed_.clear();
}

}  // namespace flarebridge::wandb
