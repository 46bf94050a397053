#include "bridge/journal/journal_schema.h"

#include <sodium.h>

#include <array>

#include "bridge/journal/wal.h"

namespace flarebridge {
namespace {

// sum: of the columns before it, see RowSum. sessions.open: see OpenColumn. runs.ended: 0 no, 1
// yes, 2 as the bridge guesses.
constexpr const char* kSchema = R"(
CREATE TABLE meta(id TEXT NOT NULL, id_sum INTEGER NOT NULL,
                  next_position INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE sessions(id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, rejected INTEGER NOT NULL,
                      open INTEGER NOT NULL, opened BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE runs(id INTEGER PRIMARY KEY, site TEXT NOT NULL, opened BLOB NOT NULL,
                  started REAL NOT NULL, fixed_sum INTEGER NOT NULL,
                  last_position INTEGER NOT NULL, ended INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE feeds(session TEXT NOT NULL, run INTEGER NOT NULL, sum INTEGER NOT NULL,
                   PRIMARY KEY(session, run));
CREATE TABLE events(position INTEGER PRIMARY KEY, run INTEGER NOT NULL, count INTEGER NOT NULL,
                    ends INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX events_of_run ON events(run, position);
)";

}  // namespace

tl::unexpected<Error> FailSqlite(sqlite3* database, const std::string& path,
                                 const std::string& what) {
  return Fail(CodeOfSqlite(database),
              "journal " + path + ": " + what + ": " + sqlite3_errmsg(database));
}

Expected<void> Execute(sqlite3* database, const std::string& path, const std::string& sql) {
  if (sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return FailSqlite(database, path, "can't be written");
  return {};
}

Expected<StatementPtr> Compile(sqlite3* database, const std::string& path, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK) {
    return FailSqlite(database, path, "can't be read");
  }
  return std::make_unique<SqliteStatement>(statement);
}

Expected<void> SetUpDatabase(sqlite3* database, const std::string& path) {
  // Figures measured for this use: page size 8192 and a checkpoint every 4000 pages (32 MiB).
  // A commit of less than 8 MiB (1024 pages) stays in memory whole until it is written. What
  // spills earlier may change again, and SQLite then reads the commit back for its checksums.
  return Execute(
      database, path,
      "PRAGMA page_size=" + std::to_string(kJournalPage) +
          "; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
          "PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-2048; PRAGMA cache_spill=1024");
}

Expected<void> MakeTables(sqlite3* database, const std::string& path) {
  return Execute(database, path,
                 kSchema + std::string("PRAGMA user_version=") + std::to_string(kSchemaVersion));
}

Expected<void> PutHead(sqlite3* database, const std::string& path, const std::string& id,
                       uint64_t next_position) {
  const Expected<StatementPtr> insert = Compile(database, path, "INSERT INTO meta VALUES(?,?,?,?)");
  if (!insert) return Propagate(insert);
  (*insert)->Start().Text(id).Sum().Integer(next_position).Sum();
  if ((*insert)->Step() != SQLITE_DONE) return FailSqlite(database, path, "can't be written");
  return {};
}

Expected<std::string> RandomJournalId() {
  if (sodium_init() < 0)
    return Fail(ErrorCode::kIo, "the system's random numbers are not available");
  std::array<unsigned char, 16> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string hex(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  hex.resize(bytes.size() * 2);
  return hex;
}

}  // namespace flarebridge
