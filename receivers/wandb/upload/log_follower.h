// Reads a run log that may still grow: each call goes on where the last one stopped. A half-written
// record at the end is waited for. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "events/error.h"
#include "receivers/files/unique_fd.h"
#include "receivers/wandb/log/log_reader.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

class LogFollower {
 public:
  enum class End {
    kMore,     // the visitor wanted no more for now
    kWhole,    // behind the last record, for now
    kTorn,     // within a record that is being written, or was cut by a crash
    kCorrupt,  // before damage: nothing behind it will ever be read
  };
  // Gets a record, whose views live for the call. False: no more for now.
  using Visitor = std::function<bool(const ParsedRecord& record)>;

  explicit LogFollower(std::filesystem::path log) : log_(std::move(log)) {}

  // Errors: kIo, kMalformed (not a run log).
  Expected<End> Read(const Visitor& visit);

  // The file ends before the last record read: its end was taken off, because the run goes on. A
  // new follower has to read it anew.
  bool IsShorterThanRead() const;
  // How much of the file was read, and its size, in bytes.
  std::pair<uint64_t, uint64_t> Position() const;
  // A process holds the log's lock: it writes it.
  bool HasWriter() const;

 private:
  Expected<void> Open();
  Expected<End> ReadOnce(const Visitor& visit);

  std::filesystem::path log_;
  UniqueFd file_;
  std::optional<LogReader> reader_;
  ParsedRecord record_;
};

}  // namespace flarebridge::wandb
