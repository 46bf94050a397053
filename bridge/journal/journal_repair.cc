#include "bridge/journal/journal_repair.h"

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "bridge/journal/journal_file.h"
#include "bridge/journal/journal_schema.h"
#include "bridge/journal/sqlite_statement.h"
#include "bridge/journal/wal.h"
#include "receivers/files/durable_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/folders.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Behind the journal's path: the new one, and a copy of the old one that is worked on.
constexpr const char *kFresh = ".new", *kWork = ".work";

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

// Keeps bridges away while it lives.
Expected<FileLock> LockOut(const std::string& path) {
  Expected<FileLock> lock = FileLock::Shared(fs::path(path).parent_path() / "bridge.lock");
  if (!lock) return Fail(ErrorCode::kBusy, "a bridge works on it; stop it first");
  return lock;
}

// The last failure is about what the file holds, and not about the disk or the memory.
bool IsDamage(sqlite3* database) {
  return CodeOfSqlite(database) == ErrorCode::kCorrupt ||
         (sqlite3_errcode(database) & 0xff) == SQLITE_ERROR;  // there is no such table
}

// Reads rows in one direction until the end, or until a place that can't be read for damage. Gives
// true at the end. `visit`: false stops. The row's id is behind its columns. Errors: kIo,
// kTemporary.
Expected<bool> ReadRows(sqlite3* database, const std::string& path, const Table& table,
                        bool forwards, const std::function<bool(const SqliteStatement&)>& visit) {
  const Expected<StatementPtr> rows = Compile(database, path,
                                              "SELECT *, rowid FROM " + std::string(table.name) +
                                                  " ORDER BY rowid" + (forwards ? "" : " DESC"));
  int result = SQLITE_ERROR;
  if (rows) {
    (*rows)->Start();
    do {
      result = (*rows)->Step();
    } while (result == SQLITE_ROW && visit(**rows));
  }
  if (result == SQLITE_DONE || result == SQLITE_ROW) return true;
  if (IsDamage(database)) return false;
  return FailSqlite(database, path, "can't be read");
}

std::string CountOf(sqlite3* database, const char* sql) {
  const Expected<StatementPtr> count = Compile(database, "", sql);
  return count && (*count)->Start().Step() == SQLITE_ROW ? std::to_string((*count)->IntegerAt(0))
                                                         : "0";
}

std::string Content(sqlite3* database) {
  return CountOf(database, "SELECT coalesce(sum(count),0) FROM events") + " events of " +
         CountOf(database, "SELECT count(DISTINCT run) FROM events") +
         " runs that are not all in their runs yet";
}

// Copies the whole rows of a table; counts the others.
class RowCopy {
 public:
  RowCopy(sqlite3* from, sqlite3* to, const std::string& to_path, const Table& table)
      : from_(from), to_(to), to_path_(to_path), table_(table) {}

  // Gives in words what could not be kept, or nothing. Errors: kIo, kTemporary (the disk).
  Expected<std::string> Run(const std::string& from_path) {
    std::string places;
    for (int i = 0; i < table_.columns; ++i) places += i == 0 ? "?" : ",?";
    Expected<StatementPtr> insert = Compile(
        to_, to_path_, "INSERT INTO " + std::string(table_.name) + " VALUES(" + places + ")");
    if (!insert) return Propagate(insert);
    insert_ = std::move(*insert);
    const auto copy = [this](const SqliteStatement& row) { return Copy(row); };
    // What is behind a place that can't be read is reached from the other end.
    Expected<bool> whole = ReadRows(from_, from_path, table_, true, copy);
    if (whole && !*whole && !failed_) {
      whole = ReadRows(from_, from_path, table_, false, copy);
      if (whole) whole = false;
    }
    if (failed_) return tl::unexpected<Error>(*failed_);
    if (!whole) return Propagate(whole);
    return Words(*whole);
  }

 private:
  // False: the new journal can't be written.
  bool Copy(const SqliteStatement& row) {
    const auto id = static_cast<int64_t>(row.IntegerAt(table_.columns));
    if (!seen_.insert(id).second) return true;
    if (!IsWhole(row, table_)) {
      ++damaged_;
      return true;
    }
    insert_->Start();
    for (int i = 0; i < table_.columns; ++i) insert_->Copy(row, i);
    if (insert_->Step() == SQLITE_DONE) return true;
    // Rows that contradict each other, each whole by itself.
    if ((sqlite3_errcode(to_) & 0xff) == SQLITE_CONSTRAINT) {
      ++refused_;
      return true;
    }
    failed_ = FailSqlite(to_, to_path_, "can't be written").value();
    return false;
  }
  std::string Words(bool whole) const {
    std::string words;
    const auto add = [&](uint64_t count, const char* what) {
      if (count > 0) words += "; " + std::to_string(count) + " " + table_.of_many + what;
    };
    add(damaged_, " were damaged");
    add(refused_, " contradict others and were not kept");
    if (!whole) words += std::string("; some ") + table_.of_many + " could not be read";
    return words;
  }

  sqlite3 *from_, *to_;
  const std::string& to_path_;
  const Table& table_;
  StatementPtr insert_;
  std::set<int64_t> seen_;  // row ids
  uint64_t damaged_ = 0, refused_ = 0;
  std::optional<Error> failed_;
};

// What belongs to a row that was not kept can't be used; the head of the journal must be there.
Expected<std::string> MendRelations(sqlite3* database, const std::string& path) {
  std::string words;
  if (CountOf(database, "SELECT count(*) FROM meta") == "0") {
    const Expected<std::string> id = RandomJournalId();
    if (!id) return Propagate(id);
    const Expected<StatementPtr> top =
        Compile(database, path,
                "SELECT max((SELECT coalesce(max(position+count),1) FROM events), "
                "(SELECT coalesce(max(last_position)+1,1) FROM runs))");
    if (!top) return Propagate(top);
    if ((*top)->Start().Step() != SQLITE_ROW) return FailSqlite(database, path, "can't be read");
    if (Expected<void> put = PutHead(database, path, *id, (*top)->IntegerAt(0)); !put)
      return Propagate(put);
    words += "; its id was lost: what is in runs already may get there twice";
  }
  const std::string orphans = CountOf(
      database, "SELECT coalesce(sum(count),0) FROM events WHERE run NOT IN (SELECT id FROM runs)");
  if (orphans != "0") words += "; " + orphans + " events belong to runs that were not kept";
  const Expected<void> done = Execute(database, path,
                                      "DELETE FROM events WHERE run NOT IN (SELECT id FROM runs); "
                                      "DELETE FROM feeds WHERE run NOT IN (SELECT id FROM runs) OR "
                                      "session NOT IN (SELECT id FROM sessions)");
  if (!done) return Propagate(done);
  return words;
}

// Makes a journal at `to` of what is whole of the damaged one, which is changed. All of it is in
// one transaction, and stays in the WAL: see Replace(). Gives what was kept, in words.
Expected<std::string> Salvage(const std::string& damaged, const std::string& to) {
  if (Expected<void> chained = RechainWal(damaged + "-wal"); !chained) return Propagate(chained);
  Expected<JournalFile> from = JournalFile::Open(damaged, SQLITE_OPEN_READWRITE);
  if (!from) return Propagate(from);
  Expected<JournalFile> opened = JournalFile::Open(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (!opened) return Propagate(opened);
  sqlite3* into = opened->get();
  sqlite3_db_config(into, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  Expected<void> begun = SetUpDatabase(into, to);
  if (begun) begun = Execute(into, to, "PRAGMA wal_autocheckpoint=0; BEGIN");
  if (begun) begun = MakeTables(into, to);
  if (!begun) return Propagate(begun);
  std::string words;
  for (const Table& table : kTables) {
    const Expected<std::string> copied = RowCopy(from->get(), into, to, table).Run(damaged);
    if (!copied) return Propagate(copied);
    words += *copied;
  }
  const Expected<std::string> mended = MendRelations(into, to);
  if (!mended) return Propagate(mended);
  const std::string kept = Content(into);
  if (Expected<void> done = Execute(into, to, "COMMIT"); !done) return Propagate(done);
  return kept + words + *mended;
}

Expected<void> CopyIfThere(const std::string& from, const std::string& to) {
  std::error_code failed;
  const bool there = fs::exists(from, failed);
  if (failed) return FailSystem(from + " can't be read", failed.value());
  return there ? CopyDurably(from, to) : Expected<void>();
}

Expected<void> CopyDatabase(const std::string& from, const std::string& to) {
  for (const char* part : {"", "-wal"}) {
    if (Expected<void> copied = CopyIfThere(from + part, to + part); !copied) return copied;
  }
  return {};
}

void RemoveDatabase(const std::string& path) {
  std::error_code ignored;
  for (const char* part : {"", "-wal", "-shm"}) fs::remove(path + part, ignored);
}

// The journal at `fresh`, all of whose pages are in its WAL, takes the place of the one at `path`.
// SQLite reads whatever WAL lies beside a database, so that the two files can't be replaced one by
// one in any way but this: the new WAL makes a whole new journal of the old file as well as of the
// new one. (A file of no bytes has SQLite remove the WAL: then the new file goes first, in which
// nothing is, so that the old WAL counts as it did.)
Expected<void> Replace(const std::string& fresh, const std::string& path) {
  std::array<const char*, 2> parts = {"-wal", ""};
  if (const Expected<FileInfo> old = InfoOf(fs::path(path)); !old || old->size == 0)
    std::swap(parts[0], parts[1]);
  const fs::path folder = fs::path(path).parent_path();
  Expected<void> done = PersistFolder(folder);
  for (const char* part : parts) {
    if (!done) return done;
    std::error_code failed;
    fs::rename(fresh + part, path + part, failed);
    if (failed) return FailSystem(path + part + " can't be replaced", failed.value());
    done = PersistFolder(folder);
  }
  return done;
}

// Brings the WAL into the file. Where that fails it is read from the WAL, as it would be anyway.
void BringIn(const std::string& path) {
  const Expected<JournalFile> journal = JournalFile::Open(path, SQLITE_OPEN_READWRITE);
  if (!journal) return;
  sqlite3_exec(journal->get(), "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr);
}

Expected<void> MakeEmpty(const std::string& path) {
  Expected<JournalFile> made = JournalFile::Open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  return made ? SetUpDatabase(made->get(), path) : Propagate(made);
}

// Makes the new journal at `fresh` of a copy at `work`: SQLite writes to what it opens.
Expected<std::string> MakeFresh(const std::string& path, const std::string& work,
                                const std::string& fresh) {
  RemoveDatabase(work);
  RemoveDatabase(fresh);
  Expected<void> copied;
  if (WalHasNoDatabase(path)) {
    // Beside an empty database, which is a page, the WAL is read.
    copied = MakeEmpty(work);
    if (copied) copied = CopyIfThere(path + "-wal", work + "-wal");
  } else {
    copied = CopyDatabase(path, work);
  }
  if (!copied) return Propagate(copied);
  return Salvage(work, fresh);
}

}  // namespace

Expected<std::string> CheckJournal(const std::string& path) {
  const Expected<FileLock> lock = LockOut(path);
  if (!lock) return Propagate(lock);
  if (WalHasNoDatabase(path))
    return Fail(ErrorCode::kCorrupt, "damaged: the file is empty, what it held is in its WAL");
  Expected<JournalFile> opened = JournalFile::Open(path, SQLITE_OPEN_READONLY);
  if (!opened) return Propagate(opened);
  sqlite3* database = opened->get();
  std::string damage;
  if (const Expected<void> wal = CheckWal(path + "-wal"); !wal) damage = "; " + wal.error().message;
  {
    const Expected<StatementPtr> verdict = Compile(database, path, "PRAGMA integrity_check(1)");
    if (!verdict) return Propagate(verdict);
    if ((*verdict)->Start().Step() != SQLITE_ROW)
      return FailSqlite(database, path, "can't be verified");
    if ((*verdict)->BytesAt(0) != "ok") damage = "; " + std::string((*verdict)->BytesAt(0));
  }
  for (const Table& table : kTables) {
    uint64_t damaged = 0;
    const Expected<bool> read =
        ReadRows(database, path, table, true, [&](const SqliteStatement& row) {
          if (!IsWhole(row, table)) ++damaged;
          return true;
        });
    if (!read) return Propagate(read);
    if (damaged > 0)
      damage += "; " + std::to_string(damaged) + " " + table.of_many + " are damaged";
    if (!*read) damage += std::string("; not all ") + table.of_many + " can be read";
  }
  if (damage.empty()) return "whole, " + Content(database);
  return Fail(ErrorCode::kCorrupt, "damaged, " + Content(database) + damage);
}

Expected<std::string> RepairJournal(const std::string& given) {
  std::error_code failed;
  const std::string path = fs::weakly_canonical(given, failed).string();
  if (failed) return FailSystem(given + " can't be found", failed.value());
  const Expected<FileLock> lock = LockOut(path);
  if (!lock) return Propagate(lock);
  const std::string kept = FreeName(path + ".before-repair").string(), fresh = path + kFresh,
                    work = path + kWork;
  const Expected<std::string> words = MakeFresh(path, work, fresh);
  RemoveDatabase(work);
  Expected<void> done;
  if (words) done = CopyDatabase(path, kept);
  const bool copied = words && done;
  if (copied) done = Replace(fresh, path);
  RemoveDatabase(fresh);
  if (!words) return Propagate(words);
  if (!copied) RemoveDatabase(kept);
  if (!done) return Propagate(done);
  BringIn(path);
  return *words + "; the file as it was is " + fs::path(kept).filename().string();
}

Expected<void> ForgetRepair(const std::string& path) {
  const Expected<FileLock> lock = LockOut(path);
  if (!lock) return Propagate(lock);
  for (const char* part : {kFresh, kWork}) RemoveDatabase(path + part);
  return {};
}

}  // namespace flarebridge
