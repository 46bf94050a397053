#include "receivers/wandb/log/record_stream.h"

namespace flarebridge::wandb {

Expected<LogEnd> ReadRecords(int fd, const RecordVisitor& visit) {
  Expected<LogReader> reader = LogReader::Open(fd);
  if (!reader) return Propagate(reader);
  LogEnd end;
  ParsedRecord record;
  while (true) {
    std::string_view bytes;
    const Expected<LogReader::Status> status = reader->Next(bytes);
    if (!status) return Propagate(status);
    if (*status != LogReader::Status::kRecord) {
      end.torn = *status == LogReader::Status::kTorn;
      end.corrupt = *status == LogReader::Status::kCorrupt;
      break;
    }
    // A chunk that verifies but is no record is as damaged as one that does not.
    if (!ParseRecord(bytes, record)) {
      end.corrupt = true;
      break;
    }
    visit(record, reader->record_start());
  }
  end.whole_end = reader->whole_end();
  return end;
}

}  // namespace flarebridge::wandb
