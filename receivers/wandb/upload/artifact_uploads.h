// The artifacts that a run's log holds, on their way to the server: several at once, but versions
// of one name one after the other, in the log's order. They go beside the run's rows and files;
// the run's end waits for them. One that can't go is given up and named, and no other one with it.
// Used by RunUpload; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "receivers/upload/upload.h"
#include "receivers/wandb/upload/artifact_upload.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

class ArtifactUploads {
 public:
  using Time = Clock::time_point;

  // `folder`: the run's; `state`: of its upload, which outlives this.
  ArtifactUploads(std::filesystem::path folder, UploadState& state)
      : folder_(std::move(folder)), state_(state) {}

  // A record of the log that is about an artifact: one that was logged, or one that is used.
  static bool Concerns(uint32_t field);
  void Take(uint32_t field, std::string_view record);
  // There was no room for all of them: once idle(), the log is to be read anew.
  bool held_back() const { return held_back_; }
  // The log is read anew.
  void Restart();

  // All that were taken are there, or given up.
  bool idle() const { return waiting_.empty() && active_.empty(); }
  // When the next errand may go; nothing: none waits, or enough are on their way.
  std::optional<Time> DueAt() const;
  // There is one that is due.
  std::shared_ptr<Errand> Send(const Account& account, const RunAddress& run, Time now);
  // What has come of them since the last call. Errors: as ArtifactUpload::Collect().
  Expected<ArtifactUpload::News> Collect(const Patience& patience, Time now);

  // Those that are not on the server and not on their way, with the reason.
  const std::vector<std::string>& missing() const { return missing_; }
  // What the next try of one waits for, or empty.
  std::string trouble() const;
  // Of their files: bytes in all, as far as the log was read, and those that are there.
  uint64_t bytes() const;
  uint64_t BytesThere() const;

 private:
  struct Waiting {
    std::string key, name, record;
    uint64_t bytes = 0;
    bool refers = false;            // to artifacts that the log may hold before it
    std::set<std::string> aliases;  // that a later version has, which was there first
  };
  void TakeUse(std::string_view record);
  // Moves what may begin from waiting_ to active_.
  void BeginMore();
  bool MayBegin(const Waiting& waiting) const;

  const std::filesystem::path folder_;
  UploadState& state_;
  std::deque<Waiting> waiting_;
  uint64_t record_bytes_ = 0;         // of those
  std::list<ArtifactUpload> active_;  // in the log's order
  std::set<std::string> known_;       // keys of these, and of those that are given up
  bool held_back_ = false;
  std::vector<std::string> missing_;
  uint64_t bytes_over_ = 0, bytes_there_ = 0;  // of those that are over
};

}  // namespace flarebridge::wandb
