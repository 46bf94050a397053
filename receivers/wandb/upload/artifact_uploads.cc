#include "receivers/wandb/upload/artifact_uploads.h"

#include <algorithm>
#include <utility>

#include "receivers/files/stable_hash.h"

namespace flarebridge::wandb {
namespace {

// Fields of Record (wandb_internal.proto at 0.31.0).
constexpr uint32_t kArtifact = 8, kUseArtifact = 25;
// Artifacts and errands of one run at once.
constexpr size_t kAtOnce = 4;
// Bytes of records that wait: a manifest may list 100,000 files.
constexpr uint64_t kMostRecordBytes = uint64_t{64} << 20;

uint64_t BytesOf(const ArtifactRecord& artifact) {
  uint64_t bytes = 0;
  for (const ArtifactEntry& entry : artifact.entries) {
    if (entry.ref.empty() && !entry.local_path.empty()) bytes += entry.size;
  }
  return bytes;
}

}  // namespace

bool ArtifactUploads::Concerns(uint32_t field) {
  return field == kArtifact || field == kUseArtifact;
}

void ArtifactUploads::Take(uint32_t field, std::string_view record) {
  if (field == kUseArtifact) return TakeUse(record);
  const std::optional<ArtifactRecord> artifact = ParseArtifact(record);
  if (!artifact) {
    const bool is_new = known_.insert("record " + std::to_string(StableHash(record))).second;
    if (is_new) missing_.emplace_back("an artifact: its record can't be read");
    return;
  }
  Waiting waiting;
  waiting.key = ArtifactKey(*artifact);
  waiting.name = artifact->name;
  if (state_.artifacts.contains(waiting.key)) {
    for (Waiting& earlier : waiting_) {
      if (earlier.name == artifact->name)
        earlier.aliases.insert(artifact->aliases.begin(), artifact->aliases.end());
    }
    return;
  }
  if (known_.contains(waiting.key)) return;
  if (held_back_ || (!waiting_.empty() && record_bytes_ + record.size() > kMostRecordBytes)) {
    held_back_ = true;
    return;
  }
  waiting.record = record;
  waiting.bytes = BytesOf(*artifact);
  waiting.refers = std::any_of(
      artifact->entries.begin(), artifact->entries.end(),
      [](const ArtifactEntry& entry) { return entry.ref.starts_with("wandb-client-artifact:"); });
  record_bytes_ += record.size();
  known_.insert(waiting.key);
  waiting_.push_back(std::move(waiting));
  BeginMore();
}

void ArtifactUploads::TakeUse(std::string_view record) {
  const std::optional<UsedArtifact> used = ParseUsedArtifact(record);
  if (!used || used->id.empty()) return;  // W&B's client has told the server then, or nobody can
  const std::string key = "use " + used->id;
  if (state_.artifacts.contains(key) || !known_.insert(key).second) return;
  active_.emplace_back(folder_, *used, state_);
}

void ArtifactUploads::Restart() {
  for (const Waiting& waiting : waiting_) known_.erase(waiting.key);
  waiting_.clear();
  record_bytes_ = 0;
  held_back_ = false;
}

bool ArtifactUploads::MayBegin(const Waiting& waiting) const {
  if (waiting.refers) return active_.empty() && &waiting == &waiting_.front();
  const auto is_before = [&](const auto& other) { return other.name == waiting.name; };
  for (const Waiting& other : waiting_) {
    if (&other == &waiting) break;
    if (is_before(other)) return false;
  }
  return std::none_of(active_.begin(), active_.end(), [&](const ArtifactUpload& upload) {
    return upload.artifact().name == waiting.name;
  });
}

void ArtifactUploads::BeginMore() {
  for (auto next = waiting_.begin(); next != waiting_.end() && active_.size() < kAtOnce;) {
    if (!MayBegin(*next)) {
      ++next;
      continue;
    }
    ArtifactRecord artifact = *ParseArtifact(next->record);
    std::erase_if(artifact.aliases,
                  [&](const std::string& alias) { return next->aliases.contains(alias); });
    record_bytes_ -= next->record.size();
    ArtifactUpload upload(folder_, std::move(artifact), state_);
    if (const std::string fault = upload.Fault(); fault.empty()) {
      active_.push_back(std::move(upload));
    } else {
      missing_.push_back("the artifact " + next->name + ": " + fault);
    }
    next = waiting_.erase(next);
  }
}

std::optional<ArtifactUploads::Time> ArtifactUploads::DueAt() const {
  size_t under_way = 0;
  std::optional<Time> due;
  for (const ArtifactUpload& upload : active_) {
    under_way += upload.under_way();
    const std::optional<Time> at = upload.DueAt();
    if (at && (!due || *at < *due)) due = at;
  }
  return under_way < kAtOnce ? due : std::nullopt;
}

std::shared_ptr<Errand> ArtifactUploads::Send(const Account& account, const RunAddress& run,
                                              Time now) {
  for (ArtifactUpload& upload : active_) {
    const std::optional<Time> due = upload.DueAt();
    if (due && *due <= now) return upload.Next(account, run, now);
  }
  return nullptr;
}

Expected<ArtifactUpload::News> ArtifactUploads::Collect(const Patience& patience, Time now) {
  ArtifactUpload::News news;
  for (auto upload = active_.begin(); upload != active_.end();) {
    Expected<ArtifactUpload::News> of_one = upload->Collect(patience, now);
    if (!of_one) return of_one;
    news.any |= of_one->any;
    for (Attempt& asked : of_one->questions) news.questions.push_back(std::move(asked));
    if (!upload->over() || upload->under_way() > 0) {
      ++upload;
      continue;
    }
    bytes_over_ += upload->bytes();
    bytes_there_ += upload->given_up().empty() ? upload->bytes() : upload->BytesThere();
    if (!upload->given_up().empty())
      missing_.push_back("the artifact " + upload->artifact().name + ": " + upload->given_up());
    upload = active_.erase(upload);
  }
  BeginMore();
  return news;
}

std::string ArtifactUploads::trouble() const {
  for (const ArtifactUpload& upload : active_) {
    if (!upload.trouble().empty()) return upload.trouble();
  }
  return "";
}

uint64_t ArtifactUploads::bytes() const {
  uint64_t bytes = bytes_over_;
  for (const ArtifactUpload& upload : active_) bytes += upload.bytes();
  for (const Waiting& waiting : waiting_) bytes += waiting.bytes;
  return bytes;
}

uint64_t ArtifactUploads::BytesThere() const {
  uint64_t bytes = bytes_there_;
  for (const ArtifactUpload& upload : active_) bytes += upload.BytesThere();
  return bytes;
}

}  // namespace flarebridge::wandb
