#include "receivers/wandb/upload/log_follower.h"

#include "receivers/files/file_info.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge::wandb {

Expected<void> LogFollower::Open() {
  if (!file_) {
    Expected<UniqueFd> opened = OpenToRead(log_);
    if (!opened) return FailIo(log_.string(), opened);
    file_ = std::move(*opened);
  }
  Expected<LogReader> reader = LogReader::Open(file_.get());
  if (!reader) return Fail(reader.error().code, log_.string() + ": " + reader.error().message);
  // A file that is shorter than its header is looked at from its beginning the next time.
  if (reader->whole_end() > 0) reader_ = std::move(*reader);
  return {};
}

std::pair<uint64_t, uint64_t> LogFollower::Position() const {
  if (!reader_) return {0, 0};
  const Expected<FileInfo> info = InfoOf(file_.get());
  if (!info) return {0, 0};
  return {reader_->whole_end(), info->size};
}

bool LogFollower::IsShorterThanRead() const {
  const auto [read, size] = Position();
  return size < read;
}

bool LogFollower::HasWriter() const { return file_ && IsLocked(file_.get()); }

Expected<LogFollower::End> LogFollower::Read(const Visitor& visit) {
  if (!reader_) {
    if (Expected<void> opened = Open(); !opened) return Propagate(opened);
    if (!reader_) return End::kTorn;
  }
  reader_->Refresh();
  Expected<End> end = ReadOnce(visit);
  if (!end || *end != End::kCorrupt) return end;
  // While the log grows, its end may have been read before a block behind it was: that looks like
  // damage once, and not again.
  reader_->Refresh();
  return ReadOnce(visit);
}

Expected<LogFollower::End> LogFollower::ReadOnce(const Visitor& visit) {
  while (true) {
    std::string_view bytes;
    const Expected<LogReader::Status> status = reader_->Next(bytes);
    if (!status) return Propagate(status);
    switch (*status) {
      case LogReader::Status::kRecord:
        // A chunk that verifies but is no record is as damaged as one that does not.
        if (!ParseRecord(bytes, record_)) return End::kCorrupt;
        if (!visit(record_)) return End::kMore;
        break;
      case LogReader::Status::kEnd:
        return End::kWhole;
      case LogReader::Status::kTorn:
        return End::kTorn;
      case LogReader::Status::kCorrupt:
        return End::kCorrupt;
    }
  }
}

}  // namespace flarebridge::wandb
