#include "receivers/wandb/log/log_follower.h"

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
  Expected<RecordStream> records = RecordStream::Open(file_.get(), on_damage_);
  if (!records) return Fail(records.error().code, log_.string() + ": " + records.error().message);
  // A file that is shorter than its header is looked at from its beginning the next time.
  if (records->position() > 0) records_ = std::move(*records);
  return {};
}

Expected<void> LogFollower::Persist() const {
  if (!file_) return {};
  const Expected<void> persisted = PersistOthers(file_.get());
  if (!persisted) return FailIo(log_.string(), persisted);
  return {};
}

void LogFollower::ChooseOnDamage(OnDamage on_damage) {
  on_damage_ = on_damage;
  if (records_) records_->ChooseOnDamage(on_damage);
}

std::pair<uint64_t, uint64_t> LogFollower::Position() const {
  if (!records_) return {0, 0};
  const Expected<FileInfo> info = InfoOf(file_.get());
  if (!info) return {0, 0};
  return {records_->position(), info->size};
}

bool LogFollower::IsShorterThanRead() const {
  const auto [read, size] = Position();
  return size < read;
}

bool LogFollower::HasWriter() const { return file_ && IsLocked(file_.get()); }

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
