// Reads the records of a run log from a file that may be growing, torn or damaged. Stops at damage;
// who only reads may go on behind it, who appends may not. Memory is bounded by one block and the
// record at hand, as far as its bytes are in the file: no length in it is
// believed; a byte is looked at a few times at most, whatever the file holds. Used when a run
// is continued, uploaded or shown. One thread per reader.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

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
  // A record of more than this is taken for damage: protobuf has no larger messages. W&B's own
  // reader has no limit, and its writer writes what it is given.
  static constexpr size_t kMaxRecordBytes = (size_t{2} << 30) - 1;

  // Called again and again while it reads, also where that gives no record.
  using OnProgress = std::function<void()>;

  // Reads from the open file from its beginning; the caller keeps it open. Errors: kIo, kMalformed
  // (not a run log). A file of fewer than 7 bytes that could become one is torn at 0.
  static Expected<LogReader> Open(int fd, OnProgress on_progress = {});

  // Where the last record begins whose bytes begin with these, of those in the last `most` bytes,
  // about, of the first `size` of the file; 0: none is found. One of which so few bytes lie in a
  // block of their own that they do not hold these is not found. Errors: kIo.
  Expected<uint64_t> FindLast(std::string_view first_bytes, uint64_t size, uint64_t most);
  // The next record is the one that begins there (FindLast()).
  void GoTo(uint64_t record_start) { position_ = record_start; }

  // The next record, valid until the next call. After anything but kRecord it stays there.
  // Errors: kIo.
  Expected<Status> Next(std::string_view& record);

  // After kCorrupt: goes on where a record begins behind the damage. Of a block with a chunk that
  // does not verify the rest is given up, as by LevelDB's reader and W&B's (record.go, Recover):
  // nothing in there tells a record from a value that looks like one. False: no record begins
  // behind that block, and the reader stays where it is.
  bool SkipDamage();

  // Forgets what was read of the file's end, so that Next() looks again at one that may have grown.
  void Refresh() { block_start_ = UINT64_MAX; }

  // Where the last record given began, and where the next one is looked for: behind the last whole
  // one, or where SkipDamage() went on (0: not even the file's header is whole). All in bytes.
  uint64_t record_start() const { return record_start_; }
  uint64_t position() const { return position_; }
  // How many bytes SkipDamage() has passed over: those of no record that was given.
  uint64_t skipped_bytes() const { return skipped_bytes_; }

 private:
  struct Chunk {
    uint8_t type = 0;
    std::string_view payload;
    uint64_t start = 0;
    uint64_t end = 0;
  };
  enum class ChunkStatus { kChunk, kEnd, kBad };
  static bool Begins(const Chunk& chunk);  // a record

  LogReader(int fd, OnProgress on_progress) : fd_(fd), on_progress_(std::move(on_progress)) {}
  // Loads the block that holds the offset. False: nothing there.
  Expected<bool> Load(uint64_t offset);
  Expected<ChunkStatus> ReadChunk(uint64_t offset, Chunk& chunk);
  // Tells damage from a torn end, where the chunk at or behind `bad` does not go on with the record
  // that is read: a record that begins behind it makes it damage.
  Expected<Status> Judge(uint64_t bad);
  // The first chunk at or behind an offset that begins a record; 0: there is none.
  Expected<uint64_t> FindBeginning(uint64_t offset);
  Expected<bool> RecordBeginsInBlock(uint64_t from);
  // FindLast() within one block, of which the first chunk begins at `from`.
  Expected<uint64_t> FindLastInBlock(std::string_view first_bytes, uint64_t from, uint64_t end);

  int fd_;
  OnProgress on_progress_;
  std::string block_;
  uint64_t block_start_ = UINT64_MAX;
  std::string record_;
  uint64_t record_start_ = 0;
  uint64_t position_ = 0;
  uint64_t resume_at_ = 0;  // after kCorrupt: where a record begins behind it, or 0
  uint64_t skipped_bytes_ = 0;
};

}  // namespace flarebridge::wandb
