// The JSONL receiver: one run's events as lines of JSON, one per event, in one file that only
// grows: <folder>/jsonl/<run id>.jsonl. Lines are readable as soon as they are written; what is on
// disk after a crash is enough to go on without a gap or a duplicate, because each line's mark says
// which events it and those before it hold. Used through Receiver by the worker; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "events/run_spec.h"
#include "receivers/applied.h"
#include "receivers/files/append_only_file.h"
#include "receivers/receiver.h"
#include "receivers/receiver_settings.h"

namespace flarebridge {

// It knows no arguments of its own: `dir` and the filter's are everybody's.
Expected<std::shared_ptr<const OwnArguments>> ParseJsonlArguments(const Value& arguments);

// Opens the run's file below `folder`: the one that is there, or a new one. Errors: kBusy, kIo,
// kTemporary.
Expected<std::unique_ptr<Receiver>> OpenJsonlRun(const RunSpec& spec, const std::string& folder,
                                                 const OwnArguments& own,
                                                 const OnProgress& on_progress);

namespace jsonl {

class JsonlRun : public Receiver {
 public:
  static Expected<std::unique_ptr<JsonlRun>> Open(const RunSpec& spec, const std::string& folder,
                                                  const OnProgress& on_progress = {});

  uint64_t DurablePosition() const override { return durable_; }
  Expected<void> Write(uint64_t position, const Event& event, Clock::time_point now) override;
  Expected<void> Flush(Clock::time_point now) override;
  // Nothing waits for a time.
  std::optional<Clock::time_point> NextFlush() const override { return std::nullopt; }
  Expected<void> Persist() override;
  Expected<void> Drain() override { return Persist(); }
  std::optional<UploadTarget> Upload() const override { return std::nullopt; }
  // The file is open.
  std::optional<std::filesystem::path> Folder() const override { return std::nullopt; }
  std::string Report() const override { return set_aside_; }

 private:
  JsonlRun(AppendOnlyFile file, uint64_t journal, AppliedEvents applied);

  // pending_ goes to the file in one write.
  Expected<void> WriteOut();

  AppendOnlyFile file_;
  uint64_t journal_;
  AppliedEvents applied_;  // when the file was opened
  uint64_t given_;         // the last position given
  uint64_t durable_;
  std::string pending_;  // bytes for the file
  bool dirty_ = false;
  std::string set_aside_;  // what to tell of a damaged file that was found, or nothing
};

}  // namespace jsonl
}  // namespace flarebridge
