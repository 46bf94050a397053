// What an artifact's upload does beside the steps of its run's upload: each errand is a few
// requests, one after the other, and ends with the first that fails. Made and judged by
// ArtifactUpload; carried out by any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "receivers/upload/upload.h"
#include "receivers/wandb/artifacts/artifact_record.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/artifact_api.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

// What all errands of one artifact know. The account outlives it.
struct ArtifactTask {
  const Account& account;
  RunAddress run;
  std::filesystem::path folder;  // the run's
  std::shared_ptr<const ArtifactRecord> artifact;
  // What the server has told; of an artifact that is used only its id alone.
  std::string id{}, base_id{}, manifest_id{};
};

class ArtifactErrand : public Errand {
 public:
  explicit ArtifactErrand(std::shared_ptr<const ArtifactTask> task) : task_(std::move(task)) {}
  void Run(HttpTransport& http) override;

  // Run() has been; what follows, and what the kinds of it have found, is read then.
  bool over() const { return over_.load(std::memory_order_acquire); }
  // The request that ended it, and what it was; or a success.
  const Attempt& attempt() const { return attempt_; }
  const std::string& what() const { return what_; }
  // Bytes of content that are on their way at this moment. Any thread, any time.
  uint64_t moved() const { return moved_; }

 protected:
  virtual void Do(Api& api, HttpTransport& http) = 0;
  // Whether it went well, and what comes next may.
  bool Went(const char* what, Attempt attempt);
  const ArtifactTask& task() const { return *task_; }
  const ArtifactRecord& artifact() const { return *task_->artifact; }

  std::atomic<uint64_t> moved_ = 0;

 private:
  const std::shared_ptr<const ArtifactTask> task_;
  Attempt attempt_;
  std::string what_;
  std::atomic<bool> over_ = false;
};

// Creates the artifact, and the manifest that its files are of. Nothing is created of one whose
// files are not there.
class BeginArtifact : public ArtifactErrand {
 public:
  using ArtifactErrand::ArtifactErrand;
  std::string gone;  // which of its files are not as they were logged, and why; or empty
  ArtifactApi::Created created;
  ArtifactApi::Manifest manifest;

 private:
  void Do(Api& api, HttpTransport& http) override;
};

// Asks where files go, and puts there what the server does not have.
class SendContents : public ArtifactErrand {
 public:
  enum class End {
    kNotTried,  // nobody has said where it goes, or one before it has met what it would meet
    kThere,
    kGone,    // it is not as it was logged, as the attempt says
    kFailed,  // as the attempt says
  };
  struct Item {
    size_t entry = 0;  // in the manifest
    End end = End::kNotTried;
    Attempt attempt{};
    std::string birth{};  // the id of the artifact with which it came first
  };
  SendContents(std::shared_ptr<const ArtifactTask> task, std::vector<Item> items)
      : ArtifactErrand(std::move(task)), items_(std::move(items)) {}
  const std::vector<Item>& items() const { return items_; }

 private:
  void Do(Api& api, HttpTransport& http) override;
  void Put(Api& api, HttpTransport& http, const ArtifactApi::Place& place, Item& item);
  std::vector<Item> items_;
};

// Of a file that goes in parts: asks where they go.
class BeginParts : public ArtifactErrand {
 public:
  BeginParts(std::shared_ptr<const ArtifactTask> task, size_t entry)
      : ArtifactErrand(std::move(task)), entry_(entry) {}
  std::string gone;  // why its content is not as it was logged, or empty
  bool there = false;
  std::string birth;
  SentParts parts;

 private:
  void Do(Api& api, HttpTransport& http) override;
  const size_t entry_;
};

// Puts one of them.
class SendPart : public ArtifactErrand {
 public:
  // `parts` as they are now.
  SendPart(std::shared_ptr<const ArtifactTask> task, size_t entry, const SentParts& parts,
           size_t part)
      : ArtifactErrand(std::move(task)),
        entry_(entry),
        number_(part),
        url_(parts.urls[part]),
        headers_(parts.headers),
        md5_(parts.sums[part]),
        bytes_(parts.bytes) {}
  size_t number() const { return number_; }  // from 0 on
  std::string gone, etag;

 private:
  void Do(Api& api, HttpTransport& http) override;
  const size_t entry_, number_;
  const std::string url_;
  const std::vector<std::string> headers_;
  const std::string md5_;
  const uint64_t bytes_;
};

// Says that all of them are there.
class EndParts : public ArtifactErrand {
 public:
  EndParts(std::shared_ptr<const ArtifactTask> task, SentParts parts)
      : ArtifactErrand(std::move(task)), parts_(std::move(parts)) {}

 private:
  void Do(Api& api, HttpTransport& http) override;
  const SentParts parts_;
};

// Puts the manifest, and commits.
class EndArtifact : public ArtifactErrand {
 public:
  EndArtifact(std::shared_ptr<const ArtifactTask> task, std::map<std::string, std::string> births)
      : ArtifactErrand(std::move(task)), births_(std::move(births)) {}

 private:
  void Do(Api& api, HttpTransport& http) override;
  // References to artifacts that are known by their clients' ids.
  bool ResolveReferences(ArtifactApi& artifacts, ArtifactRecord& resolved);
  const std::map<std::string, std::string> births_;
};

// Says that the run uses it: one that was logged to be used, or another run's.
class UseArtifact : public ArtifactErrand {
 public:
  using ArtifactErrand::ArtifactErrand;

 private:
  void Do(Api& api, HttpTransport& http) override;
};

}  // namespace flarebridge::wandb
