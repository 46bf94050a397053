#include "bridge/journal/journal_repair.h"

#include <array>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <set>

#include "bridge/journal/journal.h"
#include "bridge/journal/journal_file.h"
#include "bridge/journal/sqlite_statement.h"
#include "bridge/journal/wal.h"
#include "receivers/files/durable_file.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/folders.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A table of the journal; its columns [first, last] are values and their sum.
struct Table {
  const char* name;
  const char* of_many;  // what its rows are, in words
  int columns;
  std::array<std::pair<int, int>, 2> sums;
};
constexpr std::array<Table, 5> kTables = {{
    {"meta", "heads", 4, {{{0, 1}, {2, 3}}}},
    {"sessions", "sessions", 6, {{{0, 5}, {0, 5}}}},
    {"runs", "runs", 8, {{{0, 4}, {5, 7}}}},
    {"feeds", "feeds", 3, {{{0, 2}, {0, 2}}}},
    {"events", "blocks of events", 6, {{{0, 5}, {0, 5}}}},
}};

bool IsWhole(const SqliteStatement& row, const Table& table) {
  return row.Whole(table.sums[0].first, table.sums[0].second) &&
         row.Whole(table.sums[1].first, table.sums[1].second);
}

tl::unexpected<Error> FailSqlite(const std::string& path, sqlite3* database) {
  return Fail(CodeOfSqlite(database), "journal " + path + ": " + sqlite3_errmsg(database));
}

std::unique_ptr<SqliteStatement> Compile(sqlite3* database, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK)
    return nullptr;
  return std::make_unique<SqliteStatement>(statement);
}

// Keeps bridges away while it lives.
Expected<FileLock> LockOut(const std::string& path) {
  Expected<FileLock> lock = FileLock::Shared(fs::path(path).parent_path() / "bridge.lock");
  if (!lock) return Fail(ErrorCode::kBusy, "a bridge works on it; stop it first");
  return lock;
}

// Reads rows in one direction until the end or until a place that can't be read. Gives true at the
// end.
bool ReadRows(sqlite3* database, const Table& table, bool forwards,
              const std::function<void(const SqliteStatement&)>& visit) {
  const std::unique_ptr<SqliteStatement> rows =
      Compile(database, "SELECT * FROM " + std::string(table.name) + " ORDER BY rowid" +
                            (forwards ? "" : " DESC"));
  if (!rows) return false;
  rows->Start();
  int result = SQLITE_DONE;
  while ((result = rows->Step()) == SQLITE_ROW) visit(*rows);
  return result == SQLITE_DONE;
}

std::string CountOf(sqlite3* database, const char* sql) {
  const std::unique_ptr<SqliteStatement> count = Compile(database, sql);
  return count && count->Start().Step() == SQLITE_ROW ? std::to_string(count->IntegerAt(0)) : "0";
}

std::string Content(sqlite3* database) {
  return CountOf(database, "SELECT coalesce(sum(count),0) FROM events") + " events of " +
         CountOf(database, "SELECT count(DISTINCT run) FROM events") +
         " runs that are not all in their runs yet";
}

// Copies the whole rows of a table; gives in words what could not be kept, or nothing.
std::string CopyRows(sqlite3* from, sqlite3* to, const Table& table) {
  std::string places;
  for (int i = 0; i < table.columns; ++i) places += i == 0 ? "?" : ",?";
  sqlite3_stmt* compiled = nullptr;
  sqlite3_prepare_v2(
      to, ("INSERT OR IGNORE INTO " + std::string(table.name) + " VALUES(" + places + ")").c_str(),
      -1, &compiled, nullptr);
  std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> insert(compiled, &sqlite3_finalize);
  std::set<int64_t> seen;
  uint64_t damaged = 0;
  const auto copy = [&](const SqliteStatement& row) {
    if (!IsWhole(row, table)) {
      ++damaged;
      return;
    }
    for (int i = 0; i < table.columns; ++i) sqlite3_bind_value(insert.get(), i + 1, row.ValueAt(i));
    sqlite3_step(insert.get());
    sqlite3_reset(insert.get());
  };
  // What is behind a place that can't be read is reached from the other end.
  const bool to_the_end = ReadRows(from, table, true, copy);
  if (!to_the_end) ReadRows(from, table, false, copy);
  std::string words;
  if (damaged > 0) words += "; " + std::to_string(damaged) + " " + table.of_many + " were damaged";
  if (!to_the_end) words += std::string("; some ") + table.of_many + " could not be read";
  return words;
}

// What belongs to a row that was not kept can't be used; the head of the journal must be there.
Expected<std::string> MendRelations(sqlite3* database, const std::string& path,
                                    const std::string& new_id) {
  std::string words;
  if (CountOf(database, "SELECT count(*) FROM meta") == "0") {
    const std::unique_ptr<SqliteStatement> insert =
        Compile(database, "INSERT INTO meta VALUES(?,?,?,?)");
    const std::unique_ptr<SqliteStatement> top =
        Compile(database,
                "SELECT max((SELECT coalesce(max(position+count),1) FROM events), "
                "(SELECT coalesce(max(last_position)+1,1) FROM runs))");
    if (!insert || !top || top->Start().Step() != SQLITE_ROW) return FailSqlite(path, database);
    insert->Start().Text(new_id).Sum().Integer(top->IntegerAt(0)).Sum();
    if (insert->Step() != SQLITE_DONE) return FailSqlite(path, database);
    words += "; its id was lost: what is in runs already may get there twice";
  }
  const std::string orphans = CountOf(
      database, "SELECT coalesce(sum(count),0) FROM events WHERE run NOT IN (SELECT id FROM runs)");
  if (orphans != "0") words += "; " + orphans + " events belong to runs that were not kept";
  for (const char* sql : {"DELETE FROM events WHERE run NOT IN (SELECT id FROM runs)",
                          "DELETE FROM feeds WHERE run NOT IN (SELECT id FROM runs) OR "
                          "session NOT IN (SELECT id FROM sessions)"}) {
    if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      return FailSqlite(path, database);
  }
  return words;
}

// Fills a new journal at `to` from the damaged one.
Expected<std::string> Salvage(const std::string& damaged, const std::string& to) {
  Expected<std::unique_ptr<Journal>> fresh = Journal::Open(to);
  if (!fresh) return Propagate(fresh);
  const std::string new_id = (*fresh)->id();
  fresh->reset();
  if (Expected<void> chained = RechainWal(damaged + "-wal"); !chained) return Propagate(chained);
  Expected<JournalFile> from = JournalFile::Open(damaged, SQLITE_OPEN_READWRITE);
  if (!from) return Propagate(from);
  Expected<JournalFile> into = JournalFile::Open(to, SQLITE_OPEN_READWRITE);
  if (!into) return Propagate(into);
  sqlite3_exec(into->get(), "PRAGMA synchronous=FULL; BEGIN; DELETE FROM meta", nullptr, nullptr,
               nullptr);
  std::string words;
  for (const Table& table : kTables) words += CopyRows(from->get(), into->get(), table);
  Expected<std::string> mended = MendRelations(into->get(), to, new_id);
  if (!mended) return mended;
  const std::string kept = Content(into->get());
  for (const char* sql : {"COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)"}) {
    if (sqlite3_exec(into->get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
      return FailSqlite(to, into->get());
  }
  return kept + words + *mended;
}

Expected<void> CopyIfThere(const std::string& from, const std::string& to) {
  std::error_code failed;
  return fs::exists(from, failed) ? CopyDurably(from, to) : Expected<void>();
}

void RemoveDatabase(const std::string& path) {
  std::error_code ignored;
  for (const char* part : {"", "-wal", "-shm"}) fs::remove(path + part, ignored);
}

}  // namespace

Expected<std::string> CheckJournal(const std::string& path) {
  const Expected<FileLock> lock = LockOut(path);
  if (!lock) return Propagate(lock);
  Expected<JournalFile> database = JournalFile::Open(path, SQLITE_OPEN_READONLY);
  if (!database) return Propagate(database);
  std::string damage;
  if (const Expected<void> wal = CheckWal(path + "-wal"); !wal) damage = "; " + wal.error().message;
  {
    const std::unique_ptr<SqliteStatement> verdict =
        Compile(database->get(), "PRAGMA integrity_check(1)");
    if (!verdict || verdict->Start().Step() != SQLITE_ROW) return FailSqlite(path, database->get());
    if (verdict->BytesAt(0) != "ok") damage = "; " + std::string(verdict->BytesAt(0));
  }
  for (const Table& table : kTables) {
    uint64_t damaged = 0;
    const bool read = ReadRows(database->get(), table, true, [&](const SqliteStatement& row) {
      if (!IsWhole(row, table)) ++damaged;
    });
    if (damaged > 0)
      damage += "; " + std::to_string(damaged) + " " + table.of_many + " are damaged";
    if (!read) damage += std::string("; not all ") + table.of_many + " can be read";
  }
  if (damage.empty()) return "whole, " + Content(database->get());
  return Fail(ErrorCode::kCorrupt, "damaged, " + Content(database->get()) + damage);
}

Expected<std::string> RepairJournal(const std::string& path) {
  const Expected<FileLock> lock = LockOut(path);
  if (!lock) return Propagate(lock);
  const std::string kept = FreeName(path + ".before-repair").string(), fresh = path + ".new",
                    work = path + ".work";
  for (const char* part : {"", "-wal"}) {
    if (Expected<void> copied = CopyIfThere(path + part, kept + part); !copied)
      return Propagate(copied);
  }
  // SQLite writes to what it opens: what is kept stays as it is.
  RemoveDatabase(work);
  RemoveDatabase(fresh);
  for (const char* part : {"", "-wal"}) {
    if (Expected<void> copied = CopyIfThere(path + part, work + part); !copied)
      return Propagate(copied);
  }
  Expected<std::string> words = Salvage(work, fresh);
  RemoveDatabase(work);
  if (!words) {
    RemoveDatabase(fresh);
    return words;
  }
  std::error_code failed;
  RemoveDatabase(path);
  fs::rename(fresh, path, failed);
  RemoveDatabase(fresh);
  if (failed) return FailSystem(path + " can't be replaced", failed.value());
  return *words + "; the file as it was is " + fs::path(kept).filename().string();
}

}  // namespace flarebridge
