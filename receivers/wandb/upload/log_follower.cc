#include "receivers/wandb/upload/log_follower.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace flarebridge::wandb {

LogFollower::~LogFollower() {
  if (fd_ >= 0) close(fd_);
}

Expected<void> LogFollower::Open() {
  if (fd_ < 0) fd_ = open(log_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) {
    return Fail(ErrorCode::kIo,
                log_.string() + " can't be read: " + std::generic_category().message(errno));
  }
  Expected<LogReader> reader = LogReader::Open(fd_);
  if (!reader) return Fail(reader.error().code, log_.string() + ": " + reader.error().message);
  // A file that is shorter than its header is looked at from its beginning the next time.
  if (reader->whole_end() > 0) reader_ = std::move(*reader);
  return {};
}

std::pair<uint64_t, uint64_t> LogFollower::Position() const {
  struct stat info {};
  if (!reader_ || fstat(fd_, &info) != 0) return {0, 0};
  return {reader_->whole_end(), static_cast<uint64_t>(info.st_size)};
}

bool LogFollower::IsShorterThanRead() const {
  const auto [read, size] = Position();
  return size < read;
}

bool LogFollower::HasWriter() const {
  if (fd_ < 0) return false;
  if (flock(fd_, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  flock(fd_, LOCK_UN);
  return false;
}

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
