// All records of a run log, one after the other, with a choice of what damage means: recovery stops
// there, because nothing may be appended behind it; who reads for people goes on behind it and says
// how much was lost. Used by recovery, by uploads (log_follower.h) and by reading for people. One
// thread per stream.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "receivers/wandb/log/log_reader.h"
#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {

enum class OnDamage {
  kStop,  // nothing behind the first damage is read
  kSkip,  // what begins in a later block is read (LogReader::SkipDamage)
};

class RecordStream {
 public:
  using Status = LogReader::Status;

  // Reads from the open file from its beginning; the caller keeps it open. Errors: kIo, kMalformed
  // (not a run log).
  static Expected<RecordStream> Open(int fd, OnDamage on_damage);
  // Reads from where the reader stands.
  RecordStream(LogReader reader, OnDamage on_damage)
      : reader_(std::move(reader)), on_damage_(on_damage) {}

  // The next record, valid until the next call. After anything but kRecord it stays there. A record
  // that verifies but can't be parsed is damage too. kCorrupt with kSkip: no record to go on with
  // begins behind the damage. Errors: kIo.
  Expected<Status> Next(const ParsedRecord*& record);
  // From the next call on. What was stopped at is passed over, too.
  void ChooseOnDamage(OnDamage on_damage) {
    on_damage_ = on_damage;
    if (on_damage == OnDamage::kSkip) stopped_ = false;
  }
  // Next() looks again at a file that may have grown.
  void Refresh() { reader_.Refresh(); }

  // In bytes: where the last record began, and where the next one is looked for (0: not even the
  // file's header is whole).
  uint64_t record_start() const { return reader_.record_start(); }
  uint64_t position() const { return reader_.position(); }
  // The end of the last whole record before all damage.
  uint64_t whole_end() const { return damaged_ ? whole_end_ : position(); }
  bool damaged() const { return damaged_; }
  // Bytes before position() that are in no record given, because of damage.
  uint64_t bad_bytes() const { return reader_.skipped_bytes() + unparsed_bytes_; }

 private:
  // Two looks at what seems to be damage.
  Expected<Status> NextBytes(std::string_view& bytes);
  void NoteDamage(uint64_t whole_end);

  LogReader reader_;
  OnDamage on_damage_;
  ParsedRecord record_;
  bool damaged_ = false;
  bool stopped_ = false;  // behind a record that can't be parsed
  uint64_t whole_end_ = 0;
  uint64_t unparsed_bytes_ = 0;
};

// How a log ended.
struct LogEnd {
  bool torn = false;       // in half a record, or in bytes that no valid record follows
  bool corrupt = false;    // damaged, with more behind it
  uint64_t whole_end = 0;  // the end of the last whole record before all damage
  uint64_t read_end = 0;   // of the last record that was given; a torn end begins there
  uint64_t bad_bytes = 0;  // not read because of damage; a torn end is not among them
};

// Calls visit for each record with where it begins in the file; the record's views live for the
// call. Errors: kIo, kMalformed (not a run log).
using RecordVisitor = std::function<void(const ParsedRecord& record, uint64_t start)>;
Expected<LogEnd> ReadRecords(int fd, OnDamage on_damage, const RecordVisitor& visit);
// The same from where the reader stands, which reads from `fd`.
Expected<LogEnd> ReadRecords(int fd, LogReader reader, OnDamage on_damage,
                             const RecordVisitor& visit);

}  // namespace flarebridge::wandb
