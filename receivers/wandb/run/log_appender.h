// A run's records on their way into its log: numbered, cut into chunks, gathered, and written in
// one go; and the run's end, which is taken off again if the run goes on. Used by what a run's
// events become (effects.h, row_writer.h). One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "events/error.h"
#include "receivers/files/append_only_file.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/run/recovery.h"

namespace flarebridge::wandb {

class LogAppender {
 public:
  // `recovered`: what the file holds.
  LogAppender(AppendOnlyFile file, const Recovered& recovered);

  // Cuts off what is torn. Errors: kIo.
  Expected<void> CutTorn();
  // The file becomes an empty log with its header, in what waits. Errors: kIo.
  Expected<void> StartAnew();

  // One record, which encode(int64_t number, std::string& out) appends to `out`: it waits for
  // WriteOut().
  template <class Encode>
  void Add(Encode encode) {
    encode(++number_, record_);
    writer_.AppendRecord(record_, waiting_);
    record_.clear();
  }
  // Where the next record goes, in bytes.
  uint64_t end() const { return writer_.offset(); }
  // Something was written and is not on the disk yet.
  bool unsynced() const { return unsynced_; }
  size_t waiting_bytes() const { return waiting_.size(); }
  // All that waits goes to the file in one write. Errors: kIo.
  Expected<void> WriteOut();
  // What was written is on the disk when it returns; PersistAll() does not trust that what was
  // found in the file is. Errors: kIo, also if the log was taken away: with how much of it.
  Expected<void> Persist();
  Expected<void> PersistAll();

  // All that waits goes to the file, and what is added from here on is the run's end. Errors: kIo.
  Expected<void> BeginEnd();
  // The end, exit and final, goes to the file. Errors: kIo.
  Expected<void> FinishEnd();
  // The file holds the run's end.
  bool ended() const { return ended_; }
  // Takes the end off, if there is one, because the run goes on. Errors: kIo.
  Expected<void> Reopen();

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  // The log was uploaded as it is, and there is more to come: takes W&B's mark off.
  void RemoveUploadedMark();

  AppendOnlyFile file_;
  LogWriter writer_;
  uint64_t whole_end_;     // of the file as it was found
  int64_t number_;         // of the last record
  int64_t confirmed_ = 0;  // of the last one that was brought to the disk
  std::string waiting_;    // bytes for the file
  std::string record_;     // room for one
  bool unsynced_ = false;  // written, not on the disk yet
  bool ended_;
  bool uploaded_;  // as it was found
  // Where the end begins, and the number of the last record before it.
  uint64_t content_end_;
  int64_t number_before_end_;
};

}  // namespace flarebridge::wandb
