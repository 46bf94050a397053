#include "receivers/wandb/upload/artifact_upload.h"

#include <algorithm>
#include <utility>

#include "receivers/files/stable_hash.h"
#include "receivers/wandb/upload/artifact_content.h"
#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {
namespace {

// Files that are asked for together, and their bytes.
constexpr size_t kTogether = 256;
constexpr uint64_t kBytesTogether = uint64_t{4} << 20;
constexpr unsigned kMostRenewals = 3;

bool HasContent(const ArtifactEntry& entry) {
  return entry.ref.empty() && !entry.local_path.empty();
}

}  // namespace

std::string ArtifactKey(const ArtifactRecord& artifact) {
  return HexSha256(artifact.client_id + " " + artifact.digest).substr(0, 32);
}

ArtifactUpload::ArtifactUpload(std::filesystem::path folder, ArtifactRecord artifact,
                               UploadState& state)
    : folder_(std::move(folder)),
      artifact_(std::make_shared<ArtifactRecord>(std::move(artifact))),
      key_(ArtifactKey(*artifact_)),
      state_(state) {
  for (size_t i = 0; i < artifact_->entries.size(); ++i) {
    const ArtifactEntry& entry = artifact_->entries[i];
    if (!HasContent(entry)) continue;
    File file;
    file.entry = i;
    file.large = entry.size >= kPartsFrom;
    files_.emplace(i, file);
    bytes_ += entry.size;
  }
}

ArtifactUpload::ArtifactUpload(std::filesystem::path folder, const UsedArtifact& used,
                               UploadState& state)
    : folder_(std::move(folder)),
      used_id_(used.id),
      key_("use " + used.id),
      state_(state),
      phase_(Phase::kUse) {
  ArtifactRecord artifact;
  artifact.name = used.name;
  artifact_ = std::make_shared<ArtifactRecord>(std::move(artifact));
}

std::string ArtifactUpload::Fault() const {
  if (artifact_->name.empty() || artifact_->type.empty() || artifact_->client_id.empty())
    return "its record lacks its name, its type or its client's id";
  if (!artifact_->digest_algorithm.empty() && artifact_->digest_algorithm != "MANIFEST_MD5")
    return "its files are known by " + artifact_->digest_algorithm + ", which is not read here";
  if (!artifact_->manifest_file.empty())
    return "it has more than 100,000 files, listed outside of the log, which is not read here";
  if (!artifact_->incremental && ManifestDigest(artifact_->entries) != artifact_->digest)
    return "its record is damaged: its digest is that of other files";
  const auto is_broken = [](const std::vector<std::pair<std::string, std::string>>& members) {
    return std::any_of(members.begin(), members.end(),
                       [](const auto& member) { return !IsJson(member.second); });
  };
  const bool broken =
      is_broken(artifact_->policy_config) ||
      std::any_of(artifact_->entries.begin(), artifact_->entries.end(),
                  [&](const ArtifactEntry& entry) { return is_broken(entry.extra); });
  return broken ? "its record holds values that are no JSON" : "";
}

// --- what is next ---

std::string ArtifactUpload::PartsKey(const File& file) const {
  return key_ + "/" + EntryOf(file).path;
}

SentParts* ArtifactUpload::PartsOf(const File& file) const {
  const auto found = state_.parts.find(PartsKey(file));
  return found == state_.parts.end() ? nullptr : &found->second;
}

std::optional<size_t> ArtifactUpload::NextPart(const File& file) const {
  const SentParts& parts = *PartsOf(file);
  for (size_t i = 0; i < parts.etags.size(); ++i) {
    if (parts.etags[i].empty() && !file.parts.contains(i)) return i;
  }
  return std::nullopt;
}

bool ArtifactUpload::HasWork(const File& file) const {
  if (file.sending) return false;
  if (!file.large) return true;
  return file.parts.empty() || (PartsOf(file) != nullptr && NextPart(file));
}

std::optional<ArtifactUpload::Time> ArtifactUpload::DueAt() const {
  if (over()) return std::nullopt;
  if (phase_ != Phase::kFiles) return under_way_.empty() ? std::optional(due_) : std::nullopt;
  std::optional<Time> due;
  for (const auto& [entry, file] : files_) {
    if (!HasWork(file)) continue;
    const Time at = std::max(file.due, due_);
    if (!due || at < *due) due = at;
    if (at == Time{}) break;
  }
  return due;
}

template <class Kind>
std::shared_ptr<ArtifactErrand> ArtifactUpload::Begin(
    std::shared_ptr<Kind> errand, std::function<void(const Patience&, Time)> settle,
    std::function<void()> undo) {
  under_way_.push_back({errand, std::move(settle), std::move(undo)});
  return errand;
}

std::shared_ptr<ArtifactErrand> ArtifactUpload::Next(const Account& account, const RunAddress& run,
                                                     Time now) {
  if (!task_)
    task_ =
        std::make_shared<ArtifactTask>(ArtifactTask{account, run, folder_, artifact_, used_id_});
  switch (phase_) {
    case Phase::kBegin: {
      const auto errand = std::make_shared<BeginArtifact>(task_);
      return Begin(errand, [this, errand](const Patience&, Time) { SettleBegin(*errand); });
    }
    case Phase::kFiles: {
      const auto large = std::find_if(files_.begin(), files_.end(), [&](const auto& file) {
        return file.second.large && file.second.due <= now && HasWork(file.second);
      });
      const auto small = std::find_if(files_.begin(), files_.end(), [&](const auto& file) {
        return !file.second.large && file.second.due <= now && HasWork(file.second);
      });
      return small != files_.end() ? NextContents(now) : NextOfLarge(large->second);
    }
    case Phase::kEnd: {
      return Begin(std::make_shared<EndArtifact>(task_, births_),
                   [this](const Patience&, Time) { IsCommitted(); });
    }
    default:
      return Begin(std::make_shared<UseArtifact>(task_), [this](const Patience&, Time) {
        phase_ = Phase::kDone;
        state_.artifacts.insert(key_);
      });
  }
}

std::shared_ptr<ArtifactErrand> ArtifactUpload::NextContents(Time now) {
  std::vector<SendContents::Item> items;
  uint64_t bytes = 0;
  for (auto& [entry, file] : files_) {
    const uint64_t size = EntryOf(file).size;
    if (file.large || file.due > now || !HasWork(file)) continue;
    if (!items.empty() && bytes + size > kBytesTogether) continue;
    file.sending = true;
    bytes += size;
    items.push_back({entry});
    if (items.size() == kTogether || bytes > kBytesTogether) break;
  }
  const auto errand = std::make_shared<SendContents>(task_, std::move(items));
  return Begin(
      errand,
      [this, errand](const Patience& patience, Time at) { SettleContents(*errand, patience, at); },
      [this, errand] {
        for (const SendContents::Item& item : errand->items()) FileOf(item.entry).sending = false;
      });
}

std::shared_ptr<ArtifactErrand> ArtifactUpload::NextOfLarge(File& file) {
  const size_t entry = file.entry;
  SentParts* parts = PartsOf(file);
  if (parts != nullptr && parts->artifact != task_->id) {
    state_.parts.erase(PartsKey(file));
    parts = nullptr;
  }
  const auto undo = [this, entry] { FileOf(entry).sending = false; };
  if (parts == nullptr) {
    file.sending = true;
    const auto errand = std::make_shared<BeginParts>(task_, entry);
    return Begin(
        errand, [this, errand, entry](const Patience&, Time) { SettleBeginParts(*errand, entry); },
        undo);
  }
  if (const std::optional<size_t> part = NextPart(file)) {
    file.parts.insert(*part);
    const auto errand = std::make_shared<SendPart>(task_, entry, *parts, *part);
    return Begin(errand, [this, errand, entry](const Patience& patience, Time at) {
      SettlePart(*errand, entry, patience, at);
    });
  }
  file.sending = true;
  return Begin(
      std::make_shared<EndParts>(task_, *parts),
      [this, entry](const Patience&, Time) { IsThere(entry, task_->id); }, undo);
}

// --- what came of it ---

ArtifactUpload::File& ArtifactUpload::FileOf(size_t entry) { return files_.at(entry); }

void ArtifactUpload::IsThere(size_t entry, const std::string& birth) {
  const File& file = FileOf(entry);
  there_ += EntryOf(file).size;
  births_[EntryOf(file).path] = birth;
  state_.parts.erase(PartsKey(file));
  trouble_.clear();
  files_.erase(entry);
  if (files_.empty()) phase_ = Phase::kEnd;
}

void ArtifactUpload::GiveUp(const std::string& why) {
  if (given_up_.empty()) given_up_ = why;
}

void ArtifactUpload::GiveUpFile(const File& file, const std::string& why) {
  GiveUp("its file " + EntryOf(file).path + ": " + why);
}

uint64_t ArtifactUpload::BytesThere() const {
  uint64_t bytes = there_;
  for (const auto& [entry, file] : files_) {
    const SentParts* parts = file.large ? PartsOf(file) : nullptr;
    if (parts == nullptr) continue;
    const uint64_t size = EntryOf(file).size;
    for (size_t i = 0; i < parts->etags.size(); ++i) {
      if (!parts->etags[i].empty()) bytes += std::min(parts->bytes, size - i * parts->bytes);
    }
  }
  for (const UnderWay& one : under_way_) bytes += one.errand->moved();
  return std::min(bytes, bytes_);
}

Expected<ArtifactUpload::News> ArtifactUpload::Collect(const Patience& patience, Time now) {
  News news;
  for (;;) {
    const auto over = std::find_if(under_way_.begin(), under_way_.end(),
                                   [](const UnderWay& one) { return one.errand->over(); });
    if (over == under_way_.end()) return news;
    const UnderWay one = std::move(*over);
    under_way_.erase(over);
    news.any = true;
    const Attempt& attempt = one.errand->attempt();
    const bool is_part = dynamic_cast<const SendPart*>(one.errand.get()) != nullptr;
    if (!is_part) news.questions.push_back(attempt);
    if (is_part || attempt.outcome == Outcome::kSuccess) {
      if (!is_part) retries_.Over();
      one.settle(patience, now);
      continue;
    }
    one.undo();
    if (Expected<void> settled = SettleFailure(*one.errand, patience, now); !settled)
      return Propagate(settled);
  }
}

Expected<void> ArtifactUpload::SettleFailure(const ArtifactErrand& errand, const Patience& patience,
                                             Time now) {
  const Attempt& attempt = errand.attempt();
  const std::string what = "the artifact " + artifact_->name + ": " + errand.what();
  if (attempt.status == 401)
    return Fail(ErrorCode::kForbidden, what + " was refused: " + attempt.words);
  if (attempt.outcome == Outcome::kRefused) {
    // The server may have forgotten of parts that were sent in an earlier upload.
    if (dynamic_cast<const EndParts*>(&errand) != nullptr) {
      for (auto& [entry, file] : files_) {
        if (!file.large || !file.parts.empty() || file.renewals >= kMostRenewals) continue;
        ++file.renewals;
        state_.parts.erase(PartsKey(file));
        return {};
      }
    }
    GiveUp(errand.what() + " was refused: " + attempt.words);
    return {};
  }
  const std::optional<Time> again = retries_.Failed(now, patience.waits, patience.random,
                                                    attempt.retry_after, patience.retry_for);
  if (!again) return Fail(ErrorCode::kIo, what + " failed for too long: " + attempt.words);
  if (phase_ == Phase::kEnd) phase_ = Phase::kBegin;  // it may be committed: creating it tells
  due_ = *again;
  trouble_ = what + ": " + attempt.words;
  return {};
}

void ArtifactUpload::SettleBegin(const BeginArtifact& errand) {
  if (!errand.gone.empty()) return GiveUp(errand.gone);
  auto task = std::make_shared<ArtifactTask>(*task_);
  task->id = errand.created.id;
  task->base_id = artifact_->base_id.empty() ? errand.created.latest_id : artifact_->base_id;
  task->manifest_id = errand.manifest.id;
  task_ = std::move(task);
  if (!errand.created.committed) {
    phase_ = files_.empty() ? Phase::kEnd : Phase::kFiles;
    return;
  }
  there_ = bytes_;
  files_.clear();
  IsCommitted();
}

void ArtifactUpload::IsCommitted() {
  phase_ = artifact_->use_after_commit ? Phase::kUse : Phase::kDone;
  if (phase_ == Phase::kDone) state_.artifacts.insert(key_);
}

void ArtifactUpload::SettleContents(const SendContents& errand, const Patience& patience,
                                    Time now) {
  for (const SendContents::Item& item : errand.items()) {
    File& file = FileOf(item.entry);
    file.sending = false;
    switch (item.end) {
      case SendContents::End::kThere:
        IsThere(item.entry, item.birth);
        break;
      case SendContents::End::kGone:
        GiveUpFile(file, item.attempt.words);
        break;
      case SendContents::End::kFailed:
        SettleStorage(file, item.attempt, patience, now);
        break;
      case SendContents::End::kNotTried:
        break;
    }
  }
}

void ArtifactUpload::SettleBeginParts(const BeginParts& errand, size_t entry) {
  File& file = FileOf(entry);
  file.sending = false;
  if (!errand.gone.empty()) return GiveUpFile(file, errand.gone);
  if (errand.there) return IsThere(entry, errand.birth);
  state_.parts[PartsKey(file)] = errand.parts;
}

void ArtifactUpload::SettlePart(const SendPart& errand, size_t entry, const Patience& patience,
                                Time now) {
  File& file = FileOf(entry);
  file.parts.erase(errand.number());
  if (!errand.gone.empty()) return GiveUpFile(file, errand.gone);
  SentParts* parts = PartsOf(file);
  if (parts == nullptr) return;  // all begins anew
  if (errand.attempt().outcome != Outcome::kSuccess)
    return SettleStorage(file, errand.attempt(), patience, now);
  parts->etags[errand.number()] = errand.etag;
  file.retries.Over();
  trouble_.clear();
}

void ArtifactUpload::SettleStorage(File& file, const Attempt& attempt, const Patience& patience,
                                   Time now) {
  if (attempt.status == 403 && file.renewals++ < kMostRenewals) {
    state_.parts.erase(PartsKey(file));  // its addresses have expired
    return;
  }
  if (attempt.outcome == Outcome::kRefused)
    return GiveUpFile(file, "the storage refuses it: " + attempt.words);
  const std::optional<Time> again = file.retries.Failed(now, patience.waits, patience.random,
                                                        attempt.retry_after, patience.retry_for);
  if (!again)
    return GiveUpFile(file, "the storage has not taken it for too long: " + attempt.words);
  file.due = *again;
  trouble_ = "the artifact " + artifact_->name + ": sending its file " + EntryOf(file).path + ": " +
             attempt.words;
}

}  // namespace flarebridge::wandb
