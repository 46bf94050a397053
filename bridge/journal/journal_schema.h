// The tables of a journal, and how SQLite is to keep them. Used by the journal, and by its repair,
// which makes a new one beside the old. One thread per database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bridge/journal/sqlite_statement.h"
#include "events/error.h"

namespace flarebridge {

// Version of the tables; another one is refused.
inline constexpr int kSchemaVersion = 2;

// A session's column `open`: 0: it has ended, nobody knows when; up to kLastOpen: it is open; else
// the second in which its end was stored.
inline constexpr uint64_t kFirstOpen = 2, kLastOpen = 127;

// The last failure of the database in words: "journal <path>: <what>: ...".
tl::unexpected<Error> FailSqlite(sqlite3* database, const std::string& path,
                                 const std::string& what);
// Carries out statements that give no rows. Errors: as CodeOfSqlite() gives them.
Expected<void> Execute(sqlite3* database, const std::string& path, const std::string& sql);
using StatementPtr = std::unique_ptr<SqliteStatement>;
// Errors: as above.
Expected<StatementPtr> Compile(sqlite3* database, const std::string& path, const std::string& sql);

// Says how the file is kept; before anything is read of it or written. Errors: as above.
Expected<void> SetUpDatabase(sqlite3* database, const std::string& path);
// Makes the tables, in the caller's transaction. Errors: as above.
Expected<void> MakeTables(sqlite3* database, const std::string& path);
// Writes the one row of the table `meta`. Errors: as above.
Expected<void> PutHead(sqlite3* database, const std::string& path, const std::string& id,
                       uint64_t next_position);
// 32 hex digits. Errors: kIo (the system has no random numbers).
Expected<std::string> RandomJournalId();

}  // namespace flarebridge
