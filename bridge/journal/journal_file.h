// How a journal's file is opened on whatever it lies on: with SQLite's locks where the file system
// has them, and by paths that are longer than SQLite's own limit. Used by the journal and by its
// repair. One thread per file.
#pragma once

#include <memory>
#include <string>

#include "bridge/journal/sqlite_statement.h"
#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

// An open database; closed with it.
class JournalFile {
 public:
  // `flags`: SQLite's, SQLITE_OPEN_READONLY or _READWRITE and so on. A file that is made has mode
  // 0600, and SQLite gives it to the files beside it. Errors: as CodeOfSqlite() gives them, and
  // kInvalidName (no file can have this path).
  static Expected<JournalFile> Open(const std::string& path, int flags);

  sqlite3* get() const { return database_.get(); }
  // Closes it; all statements are gone by then.
  void Close() { database_.reset(); }

 private:
  struct CloseDatabase {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };

  UniqueFd folder_;  // through which a path that is too long is reached, as long as it is open
  std::unique_ptr<sqlite3, CloseDatabase> database_;
};

}  // namespace flarebridge
