#include "receivers/wandb/upload/file_errand.h"

#include <algorithm>

#include "receivers/files/file_info.h"
#include "receivers/files/stable_hash.h"

namespace flarebridge::wandb {

namespace fs = std::filesystem;

Expected<UniqueFd> OpenRunFile(const fs::path& folder, Links links, RunFile& file) {
  Expected<UniqueFd> opened = OpenBelow(folder, fs::path("files") / file.name, links);
  if (!opened) return opened;
  const Expected<FileInfo> info = InfoOf(opened->get());
  if (!info) return Propagate(info);
  file.size = info->size;
  // Content that is written anew comes with a new time.
  file.stamp = StableHash(std::to_string(info->size) + " " + std::to_string(info->seconds) + " " +
                          std::to_string(info->nanoseconds));
  return opened;
}

FileErrand::FileErrand(fs::path folder, Links links, const Account& account, RunAddress run,
                       std::vector<RunFile> files)
    : folder_(std::move(folder)), links_(links), account_(account), run_(std::move(run)) {
  for (RunFile& file : files) items_.push_back({std::move(file)});
}

void FileErrand::Run(HttpTransport& http) {
  Api api(http, account_);
  // Those that have an address have had it for longer.
  if (PutAll(api) && Ask(api)) PutAll(api);
  over_.store(true, std::memory_order_release);
}

bool FileErrand::Ask(Api& api) {
  std::vector<std::string> names;
  for (const Item& item : items_) {
    if (item.end == End::kNotTried) names.push_back(item.file.name);
  }
  if (names.empty()) return false;
  std::vector<Api::Upload> uploads;
  asked_ = api.CreateFiles(run_, names, uploads);
  asked_for_ = names.size();
  if (asked_->outcome != Outcome::kSuccess) return false;
  for (Item& item : items_) {
    if (item.end != End::kNotTried) continue;
    const auto upload = std::find_if(uploads.begin(), uploads.end(), [&](const auto& candidate) {
      return candidate.name == item.file.name;
    });
    if (upload == uploads.end()) {
      item.end = End::kNoAddress;
    } else {
      item.file.address = *upload;
    }
  }
  return true;
}

bool FileErrand::PutAll(Api& api) {
  for (Item& item : items_) {
    if (item.end != End::kNotTried || !item.file.address) continue;
    Put(api, *item.file.address, item);
    if (item.end != End::kFailed) continue;
    // Each of the others would wait as long for the same connection, or was given its address as
    // long ago.
    if (item.attempt.status == 0 || item.attempt.status == 403) return false;
  }
  return true;
}

void FileErrand::Put(Api& api, const Api::Upload& upload, Item& item) const {
  item.attempt = PutContent(api, upload, item);
  if (item.end == End::kGone) return;
  item.end = item.attempt.outcome == Outcome::kSuccess ? End::kTaken : End::kFailed;
  if (item.end == End::kTaken || item.file.make) return;
  // It may have gone while it was sent.
  RunFile now = item.file;
  if (const Expected<UniqueFd> opened = OpenRunFile(folder_, links_, now); !opened) {
    item.end = End::kGone;
    item.attempt.words = opened.error().message;
  }
}

Attempt FileErrand::PutContent(Api& api, const Api::Upload& upload, Item& item) const {
  std::string why;
  if (item.file.make) {
    const Expected<std::string> content = item.file.make();
    if (content) return api.Put(upload, *content);
    why = content.error().message;
  } else {
    const Expected<UniqueFd> opened = OpenRunFile(folder_, links_, item.file);  // as it is now
    if (opened) return api.PutFile(upload, opened->get(), item.file.size);
    why = opened.error().message;
  }
  item.end = End::kGone;
  Attempt attempt;
  attempt.outcome = Outcome::kRefused;
  attempt.words = why;
  return attempt;
}

}  // namespace flarebridge::wandb
