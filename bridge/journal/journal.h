// The bridge's durable store of accepted events: what is committed here survives the death of any
// process and a power cut. SQLite in WAL mode with synchronous=FULL; one transaction, and so one
// sync, for all that arrived from all sessions (group commit). Used by the intake (append), the
// workers' feeds (read) and the bridge (forget). One thread.
//
// Positions number events from 1 and are never given twice within one journal, whose random id
// distinguishes it from all others. Each stored row is a run's slice of one commit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"

struct sqlite3;

namespace flarebridge {

class SqliteStatement;

// A shim's connection as the journal knows it.
struct StoredSession {
  std::string id;
  uint64_t last_seq = 0;  // all of the session's events up to here are stored
  uint64_t rejected = 0;  // of these, refused as malformed
  bool open = true;       // false: the session has ended
  std::string opened;     // wire form of its SessionOpened event; empty: not seen yet
};

// One site's run of one session's job.
struct StoredRun {
  int64_t id = 0;
  std::string site;
  std::string opened;          // wire form of the SessionOpened event that it belongs to
  double started = 0;          // seconds since the epoch
  uint64_t last_position = 0;  // of its last event
  bool ended = false;          // its last event is the run's end
};

class Journal {
 public:
  // Opens or creates the file. Errors: kIo, kTemporary, kCorrupt (not a journal, of another
  // version, or damaged; see journal_repair.h).
  static Expected<std::unique_ptr<Journal>> Open(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Random, 32 hex digits.
  const std::string& id() const { return id_; }
  // Bytes of events that are stored and not yet forgotten.
  uint64_t stored_bytes() const { return stored_bytes_; }

  Expected<std::vector<StoredSession>> Sessions();
  Expected<std::vector<StoredRun>> Runs();
  // Pairs of session id and run id: which sessions feed which runs.
  Expected<std::vector<std::pair<std::string, int64_t>>> Feeds();

  // --- A commit: Begin, any number of the Put... and Append, then Commit or Rollback. ---
  // Errors are kept and returned by Commit, which then has rolled everything back.
  void Begin();
  // Inserts or replaces.
  void PutSession(const StoredSession& session);
  // Inserts and gives the run's id, or replaces if it has one.
  int64_t PutRun(const StoredRun& run);
  void PutFeed(const std::string& session, int64_t run);
  // Stores `count` events of a run; gives the position of the first one. ends: the last one is the
  // run's end.
  uint64_t Append(int64_t run, uint32_t count, std::string_view body, bool ends = false);
  // Deletes the run's slices that end at or before the position.
  void Forget(int64_t run, uint64_t position);
  // Deletes all that is known of a session, or of a run whose events are forgotten.
  void DropSession(const std::string& session);
  void DropRun(int64_t run);
  // When it returns without an error, all of the above is on disk. Errors: kIo.
  Expected<void> Commit();
  void Rollback();

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
  Expected<void> LoadMeta();
  Expected<void> Verify();
  // The tables of a new journal.
  Expected<void> Create(const std::string& id, uint64_t next_position);
  Expected<StatementPtr> Compile(const char* sql);
  Expected<void> Execute(const char* sql);
  // The last SQLite error in words.
  tl::unexpected<Error> FailSqlite(const std::string& what) const;
  tl::unexpected<Error> FailDamaged(const std::string& what) const;
  // Runs a statement that gives no rows; the first failure of a commit is kept.
  void Step(SqliteStatement& statement);

  sqlite3* db_ = nullptr;
  std::string path_;
  std::string id_;
  uint64_t next_position_ = 1;
  int64_t next_run_ = 1;
  uint64_t stored_bytes_ = 0;
  // What they were at Begin().
  uint64_t begin_next_position_ = 1;
  int64_t begin_next_run_ = 1;
  uint64_t begin_stored_bytes_ = 0;
  std::optional<Error> failed_;
  StatementPtr put_session_, put_run_, update_run_, put_feed_, append_, forget_;
  StatementPtr forgotten_bytes_, put_next_, read_, bytes_after_;
  StatementPtr drop_session_, drop_feeds_, drop_run_;
};

}  // namespace flarebridge
