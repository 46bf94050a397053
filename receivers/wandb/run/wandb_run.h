// The W&B receiver: writes one run's genuine W&B run folder, offline. Rows become readable within
// StepMerger's window; what is on disk after a crash is enough to go on without a gap or a
// duplicate, because each record says which events it and those before it hold (applied.h). Used
// through Receiver by the worker; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "events/run_spec.h"
#include "receivers/files/append_only_file.h"
#include "receivers/receiver.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/recovery.h"
#include "receivers/wandb/run/wandb_arguments.h"

namespace flarebridge {

// Errors: kConfig.
Expected<std::shared_ptr<const OwnArguments>> ParseWandbArguments(const Value& arguments);

// Opens the run's folder below `folder`: the one that is there already for this run, or a new one.
// `own`: what ParseWandbArguments() has made. Errors: kBusy, kIo.
Expected<std::unique_ptr<Receiver>> OpenWandbRun(const RunSpec& spec, const std::string& folder,
                                                 const OwnArguments& own,
                                                 const OnProgress& on_progress);

namespace wandb {

class WandbRun : public Receiver {
 public:
  // Bytes of the log after which there is another checkpoint, once they are on the disk.
  static constexpr uint64_t kCheckpointEvery = uint64_t{4} << 20;

  // `root`: the folder below which the run's folder is.
  static Expected<std::unique_ptr<WandbRun>> Open(const RunSpec& spec,
                                                  const std::filesystem::path& root,
                                                  const WandbArguments& arguments,
                                                  const OnProgress& on_progress = {},
                                                  uint64_t checkpoint_every = kCheckpointEvery);

  uint64_t DurablePosition() const override { return durable_; }
  Expected<void> Write(uint64_t position, const Event& event, Clock::time_point now) override;
  Expected<void> Flush(Clock::time_point now) override;
  std::optional<Clock::time_point> NextFlush() const override;
  Expected<void> Persist() override;
  Expected<void> Drain() override;
  std::optional<UploadTarget> Upload() const override;
  std::optional<std::filesystem::path> Folder() const override { return out_.folder; }
  std::string Report() const override;

 private:
  WandbRun(std::filesystem::path folder, AppendOnlyFile file, Recovered recovered, uint64_t journal,
           BlobFolder blobs);

  // Cuts a torn tail, writes a new run's first records, and brings all to the disk.
  Expected<void> Begin(RunRecord run);
  // A new log's first records.
  Expected<void> WritePrologue(RunRecord run);
  // A run record with the first mark of this journal.
  void AddRun();
  Expected<void> WriteEnd(uint64_t position, const RunEnded& ended);
  // What waits goes to the file in one write.
  Expected<void> WriteOut();
  // A checkpoint, if one is due. All that is in the file is on the disk, and waits for nothing.
  Expected<void> WriteCheckpoint();

  uint64_t journal_;
  Recovered recovered_;   // as it was found
  RunOutput out_;         // what events become
  uint64_t written_ = 0;  // all events up to here are in the file
  uint64_t durable_ = 0;
  // In the log, in bytes: where one was made last, and where one was written.
  uint64_t checkpoint_at_ = 0, checkpoint_written_at_ = 0;
  uint64_t checkpoint_every_ = kCheckpointEvery;
  bool online_ = false;       // argument mode: "online"
  uint64_t unsupported_ = 0;  // data of a type that W&B has no place for, or without content
  std::string set_aside_;     // what to tell of a damaged log that was found, or nothing
};

}  // namespace wandb
}  // namespace flarebridge
