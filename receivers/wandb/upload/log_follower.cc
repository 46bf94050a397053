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
  Expected<RecordStream> records = RecordStream::Open(fd_, on_damage_);
  if (!records) return Fail(records.error().code, log_.string() + ": " + records.error().message);
  // A file that is shorter than its header is looked at from its beginning the next time.
  if (records->position() > 0) records_ = std::move(*records);
  return {};
}

std::pair<uint64_t, uint64_t> LogFollower::Position() const {
  struct stat info {};
  if (!records_ || fstat(fd_, &info) != 0) return {0, 0};
  return {records_->position(), static_cast<uint64_t>(info.st_size)};
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
  if (!records_) {
    if (Expected<void> opened = Open(); !opened) return Propagate(opened);
    if (!records_) return End::kTorn;
  }
  records_->Refresh();
  while (true) {
    const ParsedRecord* record = nullptr;
    const Expected<RecordStream::Status> status = records_->Next(record);
    if (!status) return Propagate(status);
    switch (*status) {
      case RecordStream::Status::kRecord:
        if (!visit(*record)) return End::kMore;
        break;
      case RecordStream::Status::kEnd:
        return End::kWhole;
      case RecordStream::Status::kTorn:
        return End::kTorn;
      case RecordStream::Status::kCorrupt:
        return End::kCorrupt;
    }
  }
}

}  // namespace flarebridge::wandb
