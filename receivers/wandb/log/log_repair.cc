#include "receivers/wandb/log/log_repair.h"

#include <string>
#include <string_view>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/wandb/log/log_reader.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {
namespace {

// Bytes that are worth a write.
constexpr size_t kPiece = size_t{1} << 20;

// Appends to a file from its beginning on, in pieces.
class Copy {
 public:
  explicit Copy(int to) : to_(to) { writer_.AppendFileHeader(bytes_); }
  Expected<void> Append(std::string_view record) {
    writer_.AppendRecord(record, bytes_);
    return bytes_.size() < kPiece ? Expected<void>() : Write();
  }
  Expected<void> Write() {
    if (Expected<void> written = WriteAt(to_, at_, bytes_); !written)
      return FailOf("the repaired log", written);
    at_ += bytes_.size();
    bytes_.clear();
    return {};
  }

 private:
  int to_;
  uint64_t at_ = 0;
  LogWriter writer_{0};
  std::string bytes_;
};

}  // namespace

Expected<void> CopyReadable(int from, int to) {
  Expected<LogReader> reader = LogReader::Open(from);
  if (!reader) return Propagate(reader);
  Copy copy(to);
  ParsedRecord parsed;
  while (true) {
    std::string_view record;
    const Expected<LogReader::Status> status = reader->Next(record);
    if (!status) return Propagate(status);
    if (*status == LogReader::Status::kRecord) {
      // One that can't be parsed is damage, too.
      if (!ParseRecord(record, parsed)) continue;
      if (Expected<void> appended = copy.Append(record); !appended) return appended;
    } else if (*status != LogReader::Status::kCorrupt || !reader->SkipDamage()) {
      return copy.Write();
    }
  }
}

}  // namespace flarebridge::wandb
