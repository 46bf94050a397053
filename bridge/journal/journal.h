// The bridge's durable store of accepted events: what is committed here survives the death of any
// process and a power cut. SQLite in WAL mode with synchronous=FULL; one transaction, and so one
// sync, for all that arrived from all sessions (group commit). Used by the intake (Commit, as a
// CommitLog) and by the workers' feeds (Read). One thread.
//
// Positions number events from 1 and are never given twice within one journal, whose random id
// distinguishes it from all others. Each stored row is a run's slice of one commit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/journal/commit_log.h"
#include "bridge/journal/journal_commit.h"
#include "events/error.h"

struct sqlite3;

namespace flarebridge {

class JournalFile;
class SqliteStatement;

class Journal : public CommitLog {
 public:
  // Opens or creates the file, for this process alone. Errors: kBusy (another process has it; where
  // the file system has no locks, that goes unseen), kIo, kTemporary, kCorrupt (not a journal, of
  // another version, or damaged; see journal_repair.h).
  static Expected<std::unique_ptr<Journal>> Open(const std::string& path);
  ~Journal() override;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Random, 32 hex digits.
  const std::string& id() const override { return id_; }
  uint64_t stored_bytes() const override { return next_.stored_bytes; }

  Expected<std::vector<StoredSession>> Sessions() override;
  Expected<std::vector<StoredRun>> Runs() override;
  Expected<std::vector<StoredFeed>> Feeds() override;

  // One transaction, and so one sync. Positions and ids of a commit that failed are given again.
  Expected<CommitResult> Commit(const JournalCommit& commit) override;

  // Gives the run's slices that hold positions above `after`, in order, until about max_bytes.
  // whole: false where the disk has not kept what was written. Errors: kIo, kCorrupt.
  using Visit = std::function<void(uint64_t first_position, uint32_t count, std::string_view body,
                                   bool whole)>;
  Expected<void> Read(int64_t run, uint64_t after, size_t max_bytes, const Visit& visit);

  // Bytes of the run's slices that hold positions above `after`. Errors: kIo, kCorrupt.
  Expected<uint64_t> BytesAfter(int64_t run, uint64_t after);

 private:
  using StatementPtr = std::unique_ptr<SqliteStatement>;

  Journal();
  Expected<void> Prepare(const std::string& path);
  Expected<void> CompileStatements();
  Expected<void> LoadMeta();
  Expected<void> Verify();
  // The tables of a new journal.
  Expected<void> Create();
  tl::unexpected<Error> FailDamaged(const std::string& what) const;

  // --- the parts of a commit (journal_writes.cc); its first failure is kept in failed_, and ends
  // it ---
  Expected<CommitResult> CarryOut(const JournalCommit& commit);
  // Runs a statement that gives no rows.
  void Step(SqliteStatement& statement);
  // Gives the bytes that it made free.
  uint64_t Forget(const JournalCommit::Forgotten& forgotten);
  int64_t MakeRun(const JournalCommit::NewRun& run);
  void Reopen(const JournalCommit::Reopened& run);
  // Gives the position of the first event.
  uint64_t Append(int64_t run, const JournalCommit::Slice& slice);
  void UpdateRun(int64_t run, uint64_t last_position, const JournalCommit::Slice& last);
  void PutFeed(const std::string& session, int64_t run);
  void PutSession(const StoredSession& session);
  // What the sum of a session's row needs of its opening.
  struct Opening {
    uint64_t sum = 0;
    uint64_t bytes = 0;
  };
  static Opening OpeningOf(std::string_view opened);
  // That of a session that is stored, or nothing.
  std::optional<Opening> StoredOpening(const std::string& session);
  void Drop(const JournalCommit& commit);
  // The id of a run as a commit names it.
  int64_t IdOf(int64_t run, const CommitResult& made);

  std::unique_ptr<JournalFile> file_;
  sqlite3* db_ = nullptr;  // of file_
  std::string path_;
  std::string id_;
  // What a commit that fails puts back.
  struct Next {
    uint64_t position = 1;
    int64_t run = 1;
    uint64_t stored_bytes = 0;
  };
  Next next_;
  std::optional<Error> failed_;
  std::map<std::string, Opening> openings_;  // of sessions that are stored; not of all
  StatementPtr put_session_, update_session_, opening_, put_run_, update_run_, put_feed_, append_,
      forget_;
  StatementPtr forgotten_bytes_, put_next_, read_, bytes_after_;
  StatementPtr drop_session_, drop_feeds_, drop_run_;
};

}  // namespace flarebridge
