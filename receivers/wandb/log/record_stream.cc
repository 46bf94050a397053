#include "receivers/wandb/log/record_stream.h"

#include "receivers/files/file_info.h"

namespace flarebridge::wandb {

Expected<RecordStream> RecordStream::Open(int fd, OnDamage on_damage) {
  Expected<LogReader> reader = LogReader::Open(fd);
  if (!reader) return Propagate(reader);
  return RecordStream(std::move(*reader), on_damage);
}

Expected<RecordStream::Status> RecordStream::NextBytes(std::string_view& bytes) {
  Expected<Status> status = reader_.Next(bytes);
  if (!status || *status != Status::kCorrupt) return status;
  // While the log grows, its end may have been read before a block behind it was: that looks like
  // damage once, and not again.
  reader_.Refresh();
  return reader_.Next(bytes);
}

void RecordStream::NoteDamage(uint64_t whole_end) {
  if (!damaged_) whole_end_ = whole_end;
  damaged_ = true;
}

Expected<RecordStream::Status> RecordStream::Next(const ParsedRecord*& record) {
  while (!stopped_) {
    const uint64_t begin = position();
    std::string_view bytes;
    Expected<Status> status = NextBytes(bytes);
    if (!status) return Propagate(status);
    if (*status == Status::kCorrupt) {
      if (on_damage_ == OnDamage::kStop || !reader_.SkipDamage()) return status;
      NoteDamage(begin);
    } else if (*status != Status::kRecord) {
      return status;
    } else if (ParseRecord(bytes, record_)) {
      record = &record_;
      return status;
    } else {
      NoteDamage(begin);
      unparsed_bytes_ += position() - begin;
      stopped_ = on_damage_ == OnDamage::kStop;
    }
  }
  return Status::kCorrupt;
}

Expected<LogEnd> ReadRecords(int fd, OnDamage on_damage, const RecordVisitor& visit) {
  Expected<LogReader> reader = LogReader::Open(fd);
  if (!reader) return Propagate(reader);
  return ReadRecords(fd, std::move(*reader), on_damage, visit);
}

Expected<LogEnd> ReadRecords(int fd, LogReader reader, OnDamage on_damage,
                             const RecordVisitor& visit) {
  RecordStream stream(std::move(reader), on_damage);
  const ParsedRecord* record = nullptr;
  Expected<RecordStream::Status> status = stream.Next(record);
  for (; status && *status == RecordStream::Status::kRecord; status = stream.Next(record))
    visit(*record, stream.record_start());
  if (!status) return Propagate(status);
  LogEnd end;
  end.torn = *status == RecordStream::Status::kTorn;
  end.corrupt = *status == RecordStream::Status::kCorrupt || stream.damaged();
  end.whole_end = stream.whole_end();
  end.read_end = stream.position();
  end.bad_bytes = stream.bad_bytes();
  if (*status != RecordStream::Status::kCorrupt) return end;
  // Nothing behind this was read.
  const Expected<FileInfo> file = InfoOf(fd);
  if (file && file->size > stream.position()) end.bad_bytes += file->size - stream.position();
  return end;
}

}  // namespace flarebridge::wandb
