// Reads a run log that may still grow: each call goes on where the last one stopped. A half-written
// record at the end is waited for. Used by an upload of the
// run, and by who watches it. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "events/error.h"
#include "receivers/files/file_info.h"
#include "receivers/files/unique_fd.h"
#include "receivers/wandb/log/record_stream.h"

namespace flarebridge::wandb {

class LogFollower {
 public:
  enum class End {
    kMore,     // the visitor wanted no more for now
    kWhole,    // behind the last record, for now
    kTorn,     // within a record that is being written, or was cut by a crash
    kCorrupt,  // before damage, behind which nothing is read: by choice, or nothing is there yet
  };
  // Gets a record, whose views live for the call. False: no more for now.
  using Visitor = std::function<bool(const ParsedRecord& record)>;

  explicit LogFollower(std::filesystem::path log, OnDamage on_damage = OnDamage::kStop)
      : log_(std::move(log)), on_damage_(on_damage) {}

  // What the next Read() does at damage.
  void ChooseOnDamage(OnDamage on_damage);
  // Errors: kIo, kMalformed (not a run log).
  Expected<End> Read(const Visitor& visit);

  // All that was read is on the disk when it returns. Errors: kIo.
  Expected<void> Persist() const;
  // The file ends before the last record read: its end was taken off, because the run goes on. A
  // new follower has to read it anew.
  bool IsShorterThanRead() const;
  // Another file has its place, or none.
  bool IsReplaced() const { return file_ && !IsStillAt(file_.get(), log_); }
  // How much of the file was read, and its size, in bytes.
  std::pair<uint64_t, uint64_t> Position() const;
  // How many bytes up to there are damaged, and were passed over.
  uint64_t bad_bytes() const { return records_ ? records_->bad_bytes() : 0; }
  // A process holds the log's lock: it writes it.
  bool HasWriter() const;

 private:
  Expected<void> Open();

  std::filesystem::path log_;
  OnDamage on_damage_;
  UniqueFd file_;
  std::optional<RecordStream> records_;
};

}  // namespace flarebridge::wandb
