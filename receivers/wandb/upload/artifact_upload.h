// One artifact on its way: it is created, its files go several at once, its manifest ends it. The
// server is asked which files it lacks, so that what was put earlier, by whichever upload, is not
// put again; of a file that goes in parts the state holds which are there. Decides what is sent
// next and what an answer means. Made by ArtifactUploads; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "events/clock.h"
#include "events/error.h"
#include "receivers/upload/retry_policy.h"
#include "receivers/wandb/artifacts/artifact_record.h"
#include "receivers/wandb/upload/artifact_errand.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

// By which an artifact is known over all uploads: its client's id and its digest.
std::string ArtifactKey(const ArtifactRecord& artifact);

class ArtifactUpload {
 public:
  using Time = Clock::time_point;

  // `folder`: the run's; `state`: of its upload. They outlive this.
  ArtifactUpload(std::filesystem::path folder, ArtifactRecord artifact, UploadState& state);
  // One that the server has, which the run uses: that is said, and no more.
  ArtifactUpload(std::filesystem::path folder, const UsedArtifact& used, UploadState& state);

  const ArtifactRecord& artifact() const { return *artifact_; }
  // What can be known at once of what will not go: why it can't be uploaded, or empty.
  std::string Fault() const;

  // When the next errand may go; nothing: none may before one that is under way is over.
  std::optional<Time> DueAt() const;
  // There is one that is due.
  std::shared_ptr<ArtifactErrand> Next(const Account& account, const RunAddress& run, Time now);
  size_t under_way() const { return under_way_.size(); }

  struct News {
    bool any = false;                // the state has changed
    std::vector<Attempt> questions;  // to the server itself
  };
  // What has come of errands. Errors: kForbidden (the server does not know this account), kIo (it
  // has not answered for too long).
  Expected<News> Collect(const Patience& patience, Time now);

  bool over() const { return phase_ == Phase::kDone || !given_up_.empty(); }
  // Why it is not on the server, or empty.
  const std::string& given_up() const { return given_up_; }
  // What the next try waits for, or empty.
  const std::string& trouble() const { return trouble_; }
  // Of its files: bytes in all, and those that are there or under way.
  uint64_t bytes() const { return bytes_; }
  uint64_t BytesThere() const;

 private:
  enum class Phase : uint8_t { kBegin, kFiles, kEnd, kUse, kDone };
  struct File {
    size_t entry = 0;
    bool large = false;      // goes in parts
    bool sending = false;    // it, or what comes before or behind its parts
    std::set<size_t> parts;  // that are under way
    Time due{};
    Retries retries;
    unsigned renewals = 0;  // of its addresses
  };
  struct UnderWay {
    std::shared_ptr<ArtifactErrand> errand;
    std::function<void(const Patience&, Time)> settle;  // its questions were answered well
    std::function<void()> undo;                         // one was not
  };

  const ArtifactEntry& EntryOf(const File& file) const { return artifact_->entries[file.entry]; }
  // What the state has of a file that goes in parts; nullptr: nothing.
  SentParts* PartsOf(const File& file) const;
  std::string PartsKey(const File& file) const;
  // The next part that is neither there nor under way; nothing: there is none.
  std::optional<size_t> NextPart(const File& file) const;
  bool HasWork(const File& file) const;

  std::shared_ptr<ArtifactErrand> NextContents(Time now);
  std::shared_ptr<ArtifactErrand> NextOfLarge(File& file);
  template <class Kind>
  std::shared_ptr<ArtifactErrand> Begin(
      std::shared_ptr<Kind> errand, std::function<void(const Patience&, Time)> settle,
      std::function<void()> undo = [] {});
  File& FileOf(size_t entry);
  void IsThere(size_t entry, const std::string& birth);
  void GiveUp(const std::string& why);
  void GiveUpFile(const File& file, const std::string& why);

  // A question to the server was not answered well. Errors: as Collect().
  Expected<void> SettleFailure(const ArtifactErrand& errand, const Patience& patience, Time now);
  void IsCommitted();
  void SettleBegin(const BeginArtifact& errand);
  void SettleContents(const SendContents& errand, const Patience& patience, Time now);
  void SettleBeginParts(const BeginParts& errand, size_t entry);
  void SettlePart(const SendPart& errand, size_t entry, const Patience& patience, Time now);
  // The storage has not taken a file, or a part of one.
  void SettleStorage(File& file, const Attempt& attempt, const Patience& patience, Time now);

  std::filesystem::path folder_;
  std::shared_ptr<const ArtifactRecord> artifact_;
  std::string used_id_;  // of one that is used only
  std::string key_;
  UploadState& state_;
  std::shared_ptr<ArtifactTask> task_;
  Phase phase_ = Phase::kBegin;
  std::map<size_t, File> files_;               // that are not there, by their entries
  std::map<std::string, std::string> births_;  // by path
  std::vector<UnderWay> under_way_;
  Time due_{};  // of a question that has failed
  Retries retries_;
  std::string given_up_, trouble_;
  uint64_t bytes_ = 0, there_ = 0;
};

}  // namespace flarebridge::wandb
