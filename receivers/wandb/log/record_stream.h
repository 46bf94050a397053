// All records of a run log, one after the other: the loop that recovery and reading for people
// share. Any thread, one pass each.
#pragma once

#include <cstdint>
#include <functional>

#include "receivers/wandb/log/log_reader.h"
#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {

// How a log ended.
struct LogEnd {
  bool torn = false;       // in half a record, or in bytes that no valid record follows
  bool corrupt = false;    // in damage, with more behind it; nothing of that was read
  uint64_t whole_end = 0;  // the end of the last whole record
};

// Calls visit for each record with where it begins in the file; the record's views live for the
// call. Errors: kIo, kMalformed (not a run log).
using RecordVisitor = std::function<void(const ParsedRecord& record, uint64_t start)>;
Expected<LogEnd> ReadRecords(int fd, const RecordVisitor& visit);

}  // namespace flarebridge::wandb
