#include "bridge/journal/journal.h"

#include "bridge/journal/journal_file.h"
#include "bridge/journal/journal_schema.h"
#include "bridge/journal/sqlite_statement.h"
#include "bridge/journal/wal.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

constexpr int kBusyMilliseconds = 5000;

}  // namespace

Expected<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  std::unique_ptr<Journal> journal(new Journal());
  if (Expected<void> ready = journal->Prepare(path); !ready) {
    return Propagate(ready);
  }
  return journal;
}

Journal::Journal() : file_(std::make_unique<JournalFile>()) {}

Journal::~Journal() {
  for (auto* statement : {&put_session_, &update_session_, &opening_, &put_run_, &update_run_,
                          &put_feed_, &append_, &forget_, &forgotten_bytes_, &put_next_, &read_,
                          &bytes_after_, &drop_session_, &drop_feeds_, &drop_run_}) {
    statement->reset();
  }
}

tl::unexpected<Error> Journal::FailDamaged(const std::string& what) const {
  return Fail(ErrorCode::kCorrupt,
              "journal " + path_ + ": " + what +
                  " is damaged; keep what is whole of it with: flarebridge check --repair " +
                  path_);
}

Expected<void> Journal::Prepare(const std::string& path) {
  path_ = path;
  if (WalHasNoDatabase(path)) return FailDamaged("its file is empty, its WAL is not: it");
  if (const Expected<void> wal = CheckWal(path + "-wal"); !wal) {
    return wal.error().code == ErrorCode::kCorrupt ? FailDamaged("its WAL") : wal;
  }
  // What is found is told as durable, and a transaction counts as whole once another one follows.
  if (Expected<void> synced = PersistWal(path + "-wal"); !synced) return synced;
  // Opened for this thread only, so SQLite's own locks can stay off.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  Expected<JournalFile> opened = JournalFile::Open(path, flags);
  if (!opened) return Propagate(opened);
  *file_ = std::move(*opened);
  db_ = file_->get();
  // Where bridge.lock keeps nobody away, an earlier bridge may just be finishing here.
  sqlite3_busy_timeout(db_, kBusyMilliseconds);
  if (Expected<void> set_up = SetUpDatabase(db_, path_); !set_up) return set_up;
  if (Expected<void> loaded = LoadMeta(); !loaded) return loaded;
  return CompileStatements();
}

Expected<void> Journal::CompileStatements() {
  const std::pair<StatementPtr*, const char*> statements[] = {
      {&put_session_, "INSERT OR REPLACE INTO sessions VALUES(?,?,?,?,?,?)"},
      // A range of one, for SQLite then overwrites the row in place, and of its pages those only
      // that differ, if its size stays (btreeOverwriteCell; measured with 3.40).
      {&update_session_,
       "UPDATE sessions SET last_seq=?, rejected=?, open=?, sum=? WHERE id>=?5 AND id<=?5"},
      {&opening_, "SELECT opened FROM sessions WHERE id=?"},
      {&put_run_, "INSERT INTO runs VALUES(?,?,?,?,?,?,?,?)"},
      {&update_run_, "UPDATE runs SET last_position=?, ended=?, sum=? WHERE id=?"},
      {&put_feed_, "INSERT OR IGNORE INTO feeds VALUES(?,?,?)"},
      {&append_, "INSERT INTO events VALUES(?,?,?,?,?,?)"},
      {&forget_, "DELETE FROM events WHERE run=? AND position<=? AND position+count-1<=?"},
      {&forgotten_bytes_,
       "SELECT coalesce(sum(length(body)),0) FROM events "
       "WHERE run=? AND position<=? AND position+count-1<=?"},
      {&drop_session_, "DELETE FROM sessions WHERE id=?"},
      {&drop_feeds_, "DELETE FROM feeds WHERE session=?"},
      {&drop_run_, "DELETE FROM runs WHERE id=?"},
      {&put_next_, "UPDATE meta SET next_position=?, sum=?"},
      {&bytes_after_,
       "SELECT coalesce(sum(length(body)),0) FROM events WHERE run=? AND position+count-1>?"},
      // The slice that begins at or before `after` may still hold positions behind it.
      {&read_,
       "SELECT position, run, count, ends, body, sum FROM events WHERE run=?1 AND "
       "position>=coalesce((SELECT max(position) FROM events WHERE run=?1 AND position<=?2), 0) "
       "AND position+count-1>?2 ORDER BY position"},
  };
  for (const auto& [statement, sql] : statements) {
    Expected<StatementPtr> compiled = Compile(db_, path_, sql);
    if (!compiled) return Propagate(compiled);
    *statement = std::move(*compiled);
  }
  return {};
}

Expected<void> Journal::LoadMeta() {
  Expected<StatementPtr> version = Compile(db_, path_, "PRAGMA user_version");
  if (!version) return Propagate(version);
  if ((*version)->Start().Step() != SQLITE_ROW) return FailSqlite(db_, path_, "can't be read");
  const uint64_t found = (*version)->IntegerAt(0);
  version->reset();
  if (found == 0) {
    if (Expected<void> made = Create(); !made) return made;
  } else if (found != kSchemaVersion) {
    return Fail(ErrorCode::kCorrupt, "journal " + path_ + ": version " + std::to_string(found) +
                                         " is not known here; use the flarebridge that wrote it");
  }
  if (Expected<void> whole = Verify(); !whole) return whole;
  Expected<StatementPtr> meta = Compile(
      db_, path_,
      "SELECT id, id_sum, next_position, sum, (SELECT coalesce(sum(length(body)),0) FROM events), "
      "(SELECT coalesce(max(id),0) FROM runs) FROM meta");
  if (!meta) return Propagate(meta);
  SqliteStatement& row = (*meta)->Start();
  const int result = row.Step();
  if (result != SQLITE_ROW && result != SQLITE_DONE) return FailSqlite(db_, path_, "can't be read");
  if (result == SQLITE_DONE || !row.Whole(0, 1) || !row.Whole(2, 3)) return FailDamaged("its head");
  id_ = row.BytesAt(0);
  next_ = {row.IntegerAt(2), static_cast<int64_t>(row.IntegerAt(5)) + 1, row.IntegerAt(4)};
  return {};
}

Expected<void> Journal::Verify() {
  // Of the tables' structure; each row has its own sum. It reads the file once, after which the
  // rows are in the cache for those who go on with them.
  Expected<StatementPtr> check = Compile(db_, path_, "PRAGMA quick_check(1)");
  if (!check) return Propagate(check);
  if ((*check)->Start().Step() != SQLITE_ROW) return FailSqlite(db_, path_, "can't be verified");
  if ((*check)->BytesAt(0) != "ok") return FailDamaged("its structure");
  return {};
}

Expected<void> Journal::Create() {
  const Expected<std::string> id = RandomJournalId();
  if (!id) return Propagate(id);
  if (Expected<void> begun = Execute(db_, path_, "BEGIN"); !begun) return begun;
  if (Expected<void> made = MakeTables(db_, path_); !made) return made;
  if (Expected<void> put = PutHead(db_, path_, *id, 1); !put) return put;
  return Execute(db_, path_, "COMMIT");
}

Expected<std::vector<StoredSession>> Journal::Sessions() {
  Expected<StatementPtr> query =
      Compile(db_, path_, "SELECT id, last_seq, rejected, open, opened, sum FROM sessions");
  if (!query) return Propagate(query);
  SqliteStatement& rows = (*query)->Start();
  std::vector<StoredSession> sessions;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    if (!rows.Whole(0, 5)) return FailDamaged("what it knows of a session");
    StoredSession session;
    session.id = rows.BytesAt(0);
    session.last_seq = rows.IntegerAt(1);
    session.rejected = rows.IntegerAt(2);
    const uint64_t open = rows.IntegerAt(3);
    session.open = open > 0 && open <= kLastOpen;
    if (open > kLastOpen) session.closed_at = open;
    session.opened = rows.BytesAt(4);
    sessions.push_back(std::move(session));
  }
  if (result != SQLITE_DONE) return FailSqlite(db_, path_, "can't be read");
  return sessions;
}

Expected<std::vector<StoredRun>> Journal::Runs() {
  Expected<StatementPtr> query =
      Compile(db_, path_,
              "SELECT *, (SELECT coalesce(sum(length(body)),0) FROM events WHERE run=id) FROM runs "
              "ORDER BY id");
  if (!query) return Propagate(query);
  SqliteStatement& rows = (*query)->Start();
  std::vector<StoredRun> runs;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    if (!rows.Whole(0, 4) || !rows.Whole(5, 7)) return FailDamaged("what it knows of a run");
    StoredRun run;
    run.id = static_cast<int64_t>(rows.IntegerAt(0));
    run.site = rows.BytesAt(1);
    run.opened = rows.BytesAt(2);
    run.started = rows.RealAt(3);
    run.last_position = rows.IntegerAt(5);
    run.ended = rows.IntegerAt(6) != 0;
    run.guessed = rows.IntegerAt(6) == 2;
    run.stored_bytes = rows.IntegerAt(8);
    runs.push_back(std::move(run));
  }
  if (result != SQLITE_DONE) return FailSqlite(db_, path_, "can't be read");
  return runs;
}

Expected<std::vector<StoredFeed>> Journal::Feeds() {
  Expected<StatementPtr> query = Compile(db_, path_, "SELECT session, run, sum FROM feeds");
  if (!query) return Propagate(query);
  SqliteStatement& rows = (*query)->Start();
  std::vector<StoredFeed> feeds;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    if (!rows.Whole(0, 2)) return FailDamaged("which session feeds which run");
    feeds.push_back({std::string(rows.BytesAt(0)), static_cast<int64_t>(rows.IntegerAt(1))});
  }
  if (result != SQLITE_DONE) return FailSqlite(db_, path_, "can't be read");
  return feeds;
}

Expected<void> Journal::Read(int64_t run, uint64_t after, size_t max_bytes, const Visit& visit) {
  SqliteStatement& rows = read_->Start().Integer(static_cast<uint64_t>(run)).Integer(after);
  size_t given = 0;
  int result = SQLITE_DONE;
  while (given < max_bytes && (result = rows.Step()) == SQLITE_ROW) {
    const std::string_view body = rows.BytesAt(4);
    visit(rows.IntegerAt(0), static_cast<uint32_t>(rows.IntegerAt(2)), body, rows.Whole(0, 5));
    given += body.size();
  }
  rows.Start();
  if (result != SQLITE_DONE && result != SQLITE_ROW) return FailSqlite(db_, path_, "can't be read");
  return {};
}

Expected<uint64_t> Journal::BytesAfter(int64_t run, uint64_t after) {
  SqliteStatement& row = bytes_after_->Start().Integer(static_cast<uint64_t>(run)).Integer(after);
  if (row.Step() != SQLITE_ROW) return FailSqlite(db_, path_, "can't be read");
  const uint64_t bytes = row.IntegerAt(0);
  row.Start();
  return bytes;
}

}  // namespace flarebridge
