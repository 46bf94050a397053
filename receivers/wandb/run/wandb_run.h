// The W&B receiver: writes one run's genuine W&B run folder, offline. Rows become readable within
// StepMerger's window; what is on disk after a crash is enough to go on without a gap or a
// duplicate, because each record says which events it and those before it hold (applied.h). Used
// through Receiver by the worker; one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/run_spec.h"
#include "receivers/files/append_only_file.h"
#include "receivers/receiver.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/run/recovery.h"
#include "receivers/wandb/run/step_merger.h"
#include "receivers/wandb/run/system_metrics.h"
#include "receivers/wandb/run/wandb_arguments.h"

namespace flarebridge {

// Errors: kConfig.
Expected<std::shared_ptr<const OwnArguments>> ParseWandbArguments(const Value& arguments);

// Opens the run's folder below `folder`: the one that is there already for this run, or a new one.
// `own`: what ParseWandbArguments() has made. Errors: kBusy, kIo.
Expected<std::unique_ptr<Receiver>> OpenWandbRun(const RunSpec& spec, const std::string& folder,
                                                 const OwnArguments& own);

namespace wandb {

class WandbRun : public Receiver {
 public:
  // `root`: the folder below which the run's folder is.
  static Expected<std::unique_ptr<WandbRun>> Open(const RunSpec& spec,
                                                  const std::filesystem::path& root,
                                                  const WandbArguments& arguments);

  uint64_t DurablePosition() const override { return durable_; }
  Expected<void> Write(uint64_t position, const Event& event, Clock::time_point now) override;
  Expected<void> Flush(Clock::time_point now) override;
  std::optional<Clock::time_point> NextFlush() const override;
  Expected<void> Persist() override;
  Expected<void> Drain() override;
  std::optional<UploadTarget> Upload() const override;
  std::string Report() const override;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  WandbRun(std::filesystem::path folder, AppendOnlyFile file, Recovered recovered,
           uint64_t journal);

  // Cuts a torn tail, writes a new run's first records, and brings all to the disk.
  Expected<void> Begin(RunRecord run);
  Expected<void> WritePrologue(RunRecord run);
  // One event's effects, by NVFlare's type of data.
  Expected<void> WriteData(uint64_t position, const Data& data, Clock::time_point now);
  void WriteRow(uint64_t position, const Data& data, Clock::time_point now);
  void WriteConfig(uint64_t position, const Data& data);
  void WriteTags(uint64_t position, const Data& data);
  Expected<void> WriteFile(uint64_t position, const Data& data);
  Expected<void> WriteImage(uint64_t position, const Data& data, Clock::time_point now);
  void WriteLogLine(uint64_t position, const Data& data);
  Expected<void> WriteEnd(uint64_t position, const RunEnded& ended);

  // The mark of a record that is no row and comes next in the log.
  AppliedMark MarkAt(uint64_t position);
  // Those of rows in their order go into marks_, and what they say last into summary_.
  void MarkRows(const std::vector<StepMerger::Row>& rows);
  void SumUp(const std::vector<StepMerger::Row>& rows);
  // Encodes the rows that are ready, with one summary record before them, into pending_.
  void EncodeReadyRows();
  void EncodeRow(StepMerger::Row& row, const AppliedMark& mark);
  void EncodeSummary();
  // A record of how busy the machine is, if one is due.
  void SampleSystem(Clock::time_point now);
  // Makes a record of `scratch_` and appends it to pending_.
  void Queue();
  // Everything that waits goes into pending_, so that a record behind it may claim its position.
  void SettleRows();
  // pending_ goes to the file in one write.
  Expected<void> WriteOut();
  // Takes an exit record off the file's end, because the run goes on.
  Expected<void> ReopenEnd();
  // All events up to here are in what has been encoded.
  uint64_t EncodedPosition() const;

  std::filesystem::path folder_;
  AppendOnlyFile file_;
  LogWriter writer_;
  uint64_t journal_;
  Recovered recovered_;
  StepMerger merger_;
  RunRecord run_;       // as last written
  ItemList summary_;    // changed since the last summary record
  int64_t number_ = 0;  // of the last record
  double last_runtime_ = 0;
  uint64_t given_ = 0;    // the last position given
  uint64_t written_ = 0;  // all events up to here are in the file
  uint64_t durable_ = 0;
  bool dirty_ = false;
  bool online_ = false;          // argument mode: "online"
  bool prefix_scalars_ = false;  // argument prefix_scalars: keys of add_scalars are "<tag>/<key>"
  // Where the run's site trains: how busy the machine is.
  std::optional<SystemMetrics> system_;
  std::optional<Clock::time_point> next_sample_;
  std::string pending_;  // bytes for the file
  // Room that is used again and again.
  std::string scratch_;  // one record
  std::string path_;
  ItemList items_;  // of one event
  std::vector<AppliedMark> marks_;
  uint64_t unsupported_ = 0;  // data of a type that W&B has no place for, or without content
  std::string set_aside_;     // what to tell of a damaged log that was found, or nothing
};

}  // namespace wandb
}  // namespace flarebridge
