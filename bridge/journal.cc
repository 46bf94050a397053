#include "bridge/journal.h"

#include <fcntl.h>
#include <sodium.h>
#include <sqlite3.h>
#include <sys/file.h>

#include <array>
#include <filesystem>

#include "bridge/system_error.h"
#include "bridge/unique_fd.h"

namespace flarebridge {
namespace {

// Version of the tables below; another one is refused.
constexpr int kSchemaVersion = 1;
constexpr const char* kSchema = R"(
CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE sessions(id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, rejected INTEGER NOT NULL,
                      open INTEGER NOT NULL, opened BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE runs(id INTEGER PRIMARY KEY, site TEXT NOT NULL, opened BLOB NOT NULL,
                  started REAL NOT NULL, last_position INTEGER NOT NULL, ended INTEGER NOT NULL);
CREATE TABLE feeds(session TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY(session, run)) WITHOUT ROWID;
CREATE TABLE events(position INTEGER PRIMARY KEY, run INTEGER NOT NULL, count INTEGER NOT NULL,
                    body BLOB NOT NULL);
CREATE INDEX events_of_run ON events(run, position);
)";

std::string RandomId() {
  std::array<unsigned char, 16> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string hex(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  hex.resize(bytes.size() * 2);
  return hex;
}

}  // namespace

// A prepared statement. Parameters are bound by position from 1, columns read from 0; bound text
// and blobs must live until the statement has run.
class Journal::Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& Start() {
    sqlite3_reset(statement_);
    index_ = 0;
    return *this;
  }
  Statement& Integer(uint64_t value) {
    sqlite3_bind_int64(statement_, ++index_, static_cast<sqlite3_int64>(value));
    return *this;
  }
  Statement& Real(double value) {
    sqlite3_bind_double(statement_, ++index_, value);
    return *this;
  }
  Statement& Text(std::string_view value) {
    sqlite3_bind_text64(statement_, ++index_, value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    return *this;
  }
  Statement& Blob(std::string_view value) {
    sqlite3_bind_blob64(statement_, ++index_, value.data(), value.size(), SQLITE_STATIC);
    return *this;
  }
  // SQLITE_ROW, SQLITE_DONE or an error code. After the last row the statement lets go of its lock.
  int Step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW) sqlite3_reset(statement_);
    return result;
  }
  uint64_t IntegerAt(int column) const {
    return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
  }
  double RealAt(int column) const { return sqlite3_column_double(statement_, column); }
  // Valid until the next Step() or Start().
  std::string_view BytesAt(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string_view() : std::string_view(data, static_cast<size_t>(size));
  }

 private:
  sqlite3_stmt* statement_;
  int index_ = 0;
};

Expected<std::string> Journal::Check(const std::string& path) {
  const std::string lock_path = std::filesystem::path(path).parent_path() / "bridge.lock";
  const UniqueFd lock(open(lock_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (lock && flock(lock.get(), LOCK_SH | LOCK_NB) != 0)
    return Fail(ErrorCode::kBusy, "a bridge works on it; stop it first");
  Journal journal;
  journal.path_ = path;
  if (sqlite3_open_v2(path.c_str(), &journal.db_, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK)
    return journal.FailSqlite("can't be opened");
  Expected<std::unique_ptr<Statement>> verdict = journal.Compile("PRAGMA integrity_check(1)");
  if (!verdict) return tl::unexpected<Error>(verdict.error());
  if ((*verdict)->Start().Step() != SQLITE_ROW) return journal.FailSqlite("can't be verified");
  if (const std::string words((*verdict)->BytesAt(0)); words != "ok")
    return Fail(ErrorCode::kCorrupt, "journal " + path + ": " + words);
  verdict->reset();
  Expected<std::unique_ptr<Statement>> count =
      journal.Compile("SELECT coalesce(sum(count),0), count(DISTINCT run) FROM events");
  if (!count) return tl::unexpected<Error>(count.error());
  if ((*count)->Start().Step() != SQLITE_ROW) return journal.FailSqlite("can't be read");
  return "whole, " + std::to_string((*count)->IntegerAt(0)) + " events of " +
         std::to_string((*count)->IntegerAt(1)) + " runs that are not all in their runs yet";
}

Expected<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  if (sodium_init() < 0)
    return Fail(ErrorCode::kIo, "the system's random numbers are not available");
  std::unique_ptr<Journal> journal(new Journal());
  if (Expected<void> ready = journal->Prepare(path); !ready) {
    return tl::unexpected<Error>(ready.error());
  }
  return journal;
}

Journal::~Journal() {
  for (auto* statement :
       {&put_session_, &put_run_, &update_run_, &put_feed_, &append_, &forget_, &forgotten_bytes_,
        &put_next_, &read_, &drop_session_, &drop_feeds_, &drop_run_}) {
    statement->reset();
  }
  sqlite3_close(db_);
}

tl::unexpected<Error> Journal::FailSqlite(const std::string& what) const {
  const int code = sqlite3_errcode(db_);
  const bool corrupt = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  const int kind = code & 0xff;  // without SQLite's extension of it
  const bool passes = kind == SQLITE_FULL || kind == SQLITE_IOERR || kind == SQLITE_NOMEM ||
                      kind == SQLITE_READONLY ||
                      CodeOf(sqlite3_system_errno(db_)) == ErrorCode::kTemporary;
  return Fail(corrupt  ? ErrorCode::kCorrupt
              : passes ? ErrorCode::kTemporary
                       : ErrorCode::kIo,
              "journal " + path_ + ": " + what + ": " + sqlite3_errmsg(db_));
}

Expected<void> Journal::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return FailSqlite("can't be written");
  return {};
}

Expected<std::unique_ptr<Journal::Statement>> Journal::Compile(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return FailSqlite("can't be read");
  }
  return std::make_unique<Statement>(statement);
}

Expected<void> Journal::Prepare(const std::string& path) {
  path_ = path;
  // Opened for this thread only, so SQLite's own locks can stay off.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK)
    return FailSqlite("can't be opened");
  // Figures measured for this use: page size 8192 and a checkpoint every 4000 pages (32 MiB).
  for (const char* pragma :
       {"PRAGMA page_size=8192", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA wal_autocheckpoint=4000", "PRAGMA cache_size=-2048"}) {
    if (Expected<void> done = Execute(pragma); !done) return done;
  }
  if (Expected<void> loaded = LoadMeta(); !loaded) return loaded;
  const std::pair<std::unique_ptr<Statement>*, const char*> statements[] = {
      {&put_session_, "INSERT OR REPLACE INTO sessions VALUES(?,?,?,?,?)"},
      {&put_run_, "INSERT INTO runs VALUES(NULL,?,?,?,?,?)"},
      {&update_run_, "UPDATE runs SET last_position=?, ended=? WHERE id=?"},
      {&put_feed_, "INSERT OR IGNORE INTO feeds VALUES(?,?)"},
      {&append_, "INSERT INTO events VALUES(?,?,?,?)"},
      {&forget_, "DELETE FROM events WHERE run=? AND position<=? AND position+count-1<=?"},
      {&forgotten_bytes_,
       "SELECT coalesce(sum(length(body)),0) FROM events "
       "WHERE run=? AND position<=? AND position+count-1<=?"},
      {&drop_session_, "DELETE FROM sessions WHERE id=?"},
      {&drop_feeds_, "DELETE FROM feeds WHERE session=?"},
      {&drop_run_, "DELETE FROM runs WHERE id=?"},
      {&put_next_, "UPDATE meta SET value=? WHERE key='next_position'"},
      // The slice that begins at or before `after` may still hold positions behind it.
      {&read_,
       "SELECT position, count, body FROM events WHERE run=?1 AND position>=coalesce("
       "(SELECT max(position) FROM events WHERE run=?1 AND position<=?2), 0) "
       "AND position+count-1>?2 ORDER BY position"},
  };
  for (const auto& [statement, sql] : statements) {
    Expected<std::unique_ptr<Statement>> compiled = Compile(sql);
    if (!compiled) return tl::unexpected<Error>(compiled.error());
    *statement = std::move(*compiled);
  }
  return {};
}

Expected<void> Journal::LoadMeta() {
  Expected<std::unique_ptr<Statement>> version = Compile("PRAGMA user_version");
  if (!version) return tl::unexpected<Error>(version.error());
  if ((*version)->Start().Step() != SQLITE_ROW) return FailSqlite("can't be read");
  const uint64_t found = (*version)->IntegerAt(0);
  version->reset();
  if (found == 0) {
    const std::string create = "BEGIN;" + std::string(kSchema) + "INSERT INTO meta VALUES('id','" +
                               RandomId() + "'),('next_position',1);" +
                               "PRAGMA user_version=" + std::to_string(kSchemaVersion) + ";COMMIT;";
    if (Expected<void> done = Execute(create.c_str()); !done) return done;
  } else if (found != kSchemaVersion) {
    return Fail(ErrorCode::kCorrupt, "journal " + path_ + ": version " + std::to_string(found) +
                                         " is not known here; use the flarebridge that wrote it");
  }
  Expected<std::unique_ptr<Statement>> meta = Compile(
      "SELECT (SELECT value FROM meta WHERE key='id'), (SELECT value FROM meta WHERE "
      "key='next_position'),"
      " (SELECT coalesce(sum(length(body)),0) FROM events)");
  if (!meta) return tl::unexpected<Error>(meta.error());
  if ((*meta)->Start().Step() != SQLITE_ROW) return FailSqlite("can't be read");
  id_ = (*meta)->BytesAt(0);
  next_position_ = (*meta)->IntegerAt(1);
  stored_bytes_ = (*meta)->IntegerAt(2);
  return {};
}

Expected<std::vector<StoredSession>> Journal::Sessions() {
  Expected<std::unique_ptr<Statement>> query =
      Compile("SELECT id, last_seq, rejected, open, opened FROM sessions");
  if (!query) return tl::unexpected<Error>(query.error());
  Statement& rows = (*query)->Start();
  std::vector<StoredSession> sessions;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    StoredSession session;
    session.id = rows.BytesAt(0);
    session.last_seq = rows.IntegerAt(1);
    session.rejected = rows.IntegerAt(2);
    session.open = rows.IntegerAt(3) != 0;
    session.opened = rows.BytesAt(4);
    sessions.push_back(std::move(session));
  }
  if (result != SQLITE_DONE) return FailSqlite("can't be read");
  return sessions;
}

Expected<std::vector<StoredRun>> Journal::Runs() {
  Expected<std::unique_ptr<Statement>> query =
      Compile("SELECT id, site, opened, started, last_position, ended FROM runs ORDER BY id");
  if (!query) return tl::unexpected<Error>(query.error());
  Statement& rows = (*query)->Start();
  std::vector<StoredRun> runs;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    StoredRun run;
    run.id = static_cast<int64_t>(rows.IntegerAt(0));
    run.site = rows.BytesAt(1);
    run.opened = rows.BytesAt(2);
    run.started = rows.RealAt(3);
    run.last_position = rows.IntegerAt(4);
    run.ended = rows.IntegerAt(5) != 0;
    runs.push_back(std::move(run));
  }
  if (result != SQLITE_DONE) return FailSqlite("can't be read");
  return runs;
}

Expected<std::vector<std::pair<std::string, int64_t>>> Journal::Feeds() {
  Expected<std::unique_ptr<Statement>> query = Compile("SELECT session, run FROM feeds");
  if (!query) return tl::unexpected<Error>(query.error());
  Statement& rows = (*query)->Start();
  std::vector<std::pair<std::string, int64_t>> feeds;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    feeds.emplace_back(rows.BytesAt(0), static_cast<int64_t>(rows.IntegerAt(1)));
  }
  if (result != SQLITE_DONE) return FailSqlite("can't be read");
  return feeds;
}

void Journal::Step(Statement& statement) {
  if (failed_) return;
  const int result = statement.Step();
  if (result != SQLITE_DONE) failed_ = FailSqlite("can't be written").value();
}

void Journal::Begin() {
  begin_next_position_ = next_position_;
  begin_stored_bytes_ = stored_bytes_;
  failed_.reset();
  if (Expected<void> begun = Execute("BEGIN IMMEDIATE"); !begun) failed_ = begun.error();
}

void Journal::PutSession(const StoredSession& session) {
  Step(put_session_->Start()
           .Text(session.id)
           .Integer(session.last_seq)
           .Integer(session.rejected)
           .Integer(session.open ? 1 : 0)
           .Blob(session.opened));
}

int64_t Journal::PutRun(const StoredRun& run) {
  if (run.id != 0) {
    Step(update_run_->Start()
             .Integer(run.last_position)
             .Integer(run.ended ? 1 : 0)
             .Integer(static_cast<uint64_t>(run.id)));
    return run.id;
  }
  Step(put_run_->Start()
           .Text(run.site)
           .Blob(run.opened)
           .Real(run.started)
           .Integer(run.last_position)
           .Integer(run.ended ? 1 : 0));
  return sqlite3_last_insert_rowid(db_);
}

void Journal::PutFeed(const std::string& session, int64_t run) {
  Step(put_feed_->Start().Text(session).Integer(static_cast<uint64_t>(run)));
}

uint64_t Journal::Append(int64_t run, uint32_t count, std::string_view body) {
  const uint64_t first = next_position_;
  Step(append_->Start()
           .Integer(first)
           .Integer(static_cast<uint64_t>(run))
           .Integer(count)
           .Blob(body));
  next_position_ += count;
  stored_bytes_ += body.size();
  return first;
}

void Journal::Forget(int64_t run, uint64_t position) {
  if (failed_) return;
  const auto run_id = static_cast<uint64_t>(run);
  Statement& bytes = forgotten_bytes_->Start().Integer(run_id).Integer(position).Integer(position);
  if (bytes.Step() == SQLITE_ROW) stored_bytes_ -= bytes.IntegerAt(0);
  bytes.Start();
  Step(forget_->Start().Integer(run_id).Integer(position).Integer(position));
}

void Journal::DropSession(const std::string& session) {
  Step(drop_session_->Start().Text(session));
  Step(drop_feeds_->Start().Text(session));
}

void Journal::DropRun(int64_t run) { Step(drop_run_->Start().Integer(static_cast<uint64_t>(run))); }

Expected<void> Journal::Commit() {
  if (next_position_ != begin_next_position_) Step(put_next_->Start().Integer(next_position_));
  if (!failed_) {
    if (Expected<void> done = Execute("COMMIT"); !done) failed_ = done.error();
  }
  if (!failed_) return {};
  const Error error = *failed_;
  Rollback();
  return tl::unexpected<Error>(error);
}

void Journal::Rollback() {
  // Some failures (a full disk) have rolled back already; then this says so and changes nothing.
  sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  next_position_ = begin_next_position_;
  stored_bytes_ = begin_stored_bytes_;
  failed_.reset();
}

Expected<void> Journal::Read(int64_t run, uint64_t after, size_t max_bytes, const Visit& visit) {
  Statement& rows = read_->Start().Integer(static_cast<uint64_t>(run)).Integer(after);
  size_t given = 0;
  int result = SQLITE_DONE;
  while (given < max_bytes && (result = rows.Step()) == SQLITE_ROW) {
    const std::string_view body = rows.BytesAt(2);
    visit(rows.IntegerAt(0), static_cast<uint32_t>(rows.IntegerAt(1)), body);
    given += body.size();
  }
  rows.Start();
  if (result != SQLITE_DONE && result != SQLITE_ROW) return FailSqlite("can't be read");
  return {};
}

}  // namespace flarebridge
