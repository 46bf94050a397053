#include "bridge/journal/journal_file.h"

#include <array>
#include <cstring>
#include <filesystem>

#include "receivers/files/file_system.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// SQLite takes names of 512 bytes (MAX_PATHNAME of its os_unix.c), "-journal" behind them included.
constexpr size_t kMostBytes = 500;
// Its ways to reach a file (sqlite.org/vfs.html): with POSIX locks, and without any.
constexpr const char *kWithLocks = "unix", *kWithoutLocks = "unix-none";

int KeepName(sqlite3_vfs* /*vfs*/, const char* name, int most, char* to) {
  const size_t size = std::strlen(name) + 1;
  if (size > static_cast<size_t>(most)) return SQLITE_CANTOPEN;
  std::memcpy(to, name, size);
  return SQLITE_OK;
}

// The same way, but names are taken as they are: SQLite follows all links in a name first, so that
// a short one becomes the long one again.
sqlite3_vfs Unresolved(const char* base, const char* name) {
  sqlite3_vfs copy = *sqlite3_vfs_find(base);
  copy.zName = name;
  copy.xFullPathname = &KeepName;
  return copy;
}

const char* UnresolvedWay(bool locks) {
  static std::array<sqlite3_vfs, 2> ways = {Unresolved(kWithLocks, "unix-unresolved"),
                                            Unresolved(kWithoutLocks, "unix-none-unresolved")};
  sqlite3_vfs& way = ways.at(locks ? 0 : 1);
  sqlite3_vfs_register(&way, 0);  // as often as one likes
  return way.zName;
}

// Errors: kIo, kTemporary, kInvalidName.
Expected<void> MakeIfMissing(const std::string& path, int flags) {
  std::error_code failed;
  if ((flags & SQLITE_OPEN_CREATE) == 0 || fs::exists(path, failed)) return {};
  const Expected<UniqueFd> made = CreateFile(path, 0600, Existing::kRefuse);
  if (!made) return FailOf("journal " + path, made);
  return {};
}

// Where it can't be found out, SQLite meets the same and says it.
bool HasLocks(const std::string& path) {
  const Expected<UniqueFd> file = OpenToRead(path);
  return !file || HasRecordLocks(file->get());
}

}  // namespace

Expected<JournalFile> JournalFile::Open(const std::string& path, int flags) {
  if (Expected<void> made = MakeIfMissing(path, flags); !made) return Propagate(made);
  const bool locks = HasLocks(path);
  const char* way = locks ? kWithLocks : kWithoutLocks;
  std::string name = path;
  JournalFile file;
  if (path.size() > kMostBytes) {
    Expected<UniqueFd> folder = OpenFolder(fs::path(path).parent_path());
    if (!folder) return FailOf("journal " + path, folder);
    file.folder_ = std::move(*folder);
    name = "/proc/self/fd/" + std::to_string(file.folder_.get()) + "/" +
           fs::path(path).filename().string();
    way = UnresolvedWay(locks);
  }
  sqlite3* opened = nullptr;
  const int result = sqlite3_open_v2(name.c_str(), &opened, flags, way);
  file.database_.reset(opened);
  if (result != SQLITE_OK)
    return Fail(CodeOfSqlite(opened),
                "journal " + path + ": can't be opened: " + sqlite3_errmsg(opened));
  if ((flags & SQLITE_OPEN_READONLY) != 0) return file;
  // One process uses a journal at a time. Without others it needs no memory that is shared with
  // them, which some file systems can't map (sqlite.org/wal.html#noshm). Nothing is read here yet.
  if (sqlite3_exec(opened, "PRAGMA locking_mode=EXCLUSIVE", nullptr, nullptr, nullptr) != SQLITE_OK)
    return Fail(CodeOfSqlite(opened), "journal " + path + ": " + sqlite3_errmsg(opened));
  return file;
}

}  // namespace flarebridge
