// Where commits go: all that the intake knows of a journal. The journal is one (SQLite, in this
// process); unit tests have one in memory that fails when it is told to; another could send commits
// to a log on other machines. The bridge's one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bridge/journal/journal_commit.h"
#include "events/error.h"

namespace flarebridge {

class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Distinguishes it from all others; positions count in it.
  virtual const std::string& id() const = 0;
  // Bytes of events that are stored and not yet forgotten.
  virtual uint64_t stored_bytes() const = 0;

  // What earlier commits have left, for a start. Errors: kIo, kTemporary, kCorrupt.
  virtual Expected<std::vector<StoredSession>> Sessions() = 0;
  virtual Expected<std::vector<StoredRun>> Runs() = 0;
  virtual Expected<std::vector<StoredFeed>> Feeds() = 0;

  // Carries out all of it, or nothing. When it returns without an error, all of it is durable.
  // Errors: kIo, kTemporary, kCorrupt; kMalformed (it names a new run that it does not make).
  virtual Expected<CommitResult> Commit(const JournalCommit& commit) = 0;
};

}  // namespace flarebridge
