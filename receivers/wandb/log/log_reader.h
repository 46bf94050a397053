// Reads the records of a run log from a file that may be growing, torn or damaged. Memory is
// bounded by one block and the largest record. Used when a run is continued, and by `flarebridge
// show`. One thread per reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "events/error.h"

namespace flarebridge::wandb {

class LogReader {
 public:
  enum class Status {
    kRecord,   // `record` is the next one
    kEnd,      // the file ends behind a whole record
    kTorn,     // the file ends within a record or in bytes that no valid record follows
    kCorrupt,  // bytes that do not verify, with valid records behind them
  };
  // A record of more than this is taken for damage: W&B's limit for one line is 10 MiB.
  static constexpr size_t kMaxRecordBytes = size_t{64} << 20;

  // Reads from the open file from its beginning; the caller keeps it open. Errors: kIo, kMalformed
  // (not a run log). A file of fewer than 7 bytes that could become one is torn at 0.
  static Expected<LogReader> Open(int fd);

  // The next record, valid until the next call. After anything but kRecord it stays there.
  // Errors: kIo.
  Expected<Status> Next(std::string_view& record);

  // Forgets what was read of the file's end, so that Next() looks again at one that may have grown.
  void Refresh() { block_start_ = UINT64_MAX; }

  // Where the last record given began, and where the file is whole up to: the end of the last whole
  // record (0: not even the file's header is whole).
  uint64_t record_start() const { return record_start_; }
  uint64_t whole_end() const { return whole_end_; }

 private:
  struct Chunk {
    uint8_t type = 0;
    std::string_view payload;
    uint64_t start = 0;
    uint64_t end = 0;
  };
  enum class ChunkStatus { kChunk, kEnd, kBad };

  explicit LogReader(int fd) : fd_(fd) {}
  // Loads the block that holds the offset. False: nothing there.
  Expected<bool> Load(uint64_t offset);
  Expected<ChunkStatus> ReadChunk(uint64_t offset, Chunk& chunk);
  // After bad bytes: does a valid record begin behind them, in this block or in a later one?
  Expected<Status> Judge(uint64_t bad);
  Expected<bool> RecordBeginsInBlock(uint64_t from);

  int fd_;
  std::string block_;
  uint64_t block_start_ = UINT64_MAX;
  std::string record_;
  uint64_t record_start_ = 0;
  uint64_t whole_end_ = 0;
};

}  // namespace flarebridge::wandb
