#include "receivers/files/blob_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <system_error>
#include <vector>

#include "events/blob_ref.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Nothing: it is what it should be.
Expected<void> Check(int file, uint64_t size) {
  struct stat is {};
  if (fstat(file, &is) != 0) return FailSystem("a large value can't be read");
  if (!S_ISREG(is.st_mode) || is.st_uid != geteuid() || is.st_nlink != 1)
    return Fail(ErrorCode::kForbidden,
                "a large value is no file of this user's own (a device, another user's, or one "
                "with a second name)");
  if (static_cast<uint64_t>(is.st_size) != size)
    return Fail(ErrorCode::kMalformed, "a large value has " + std::to_string(is.st_size) +
                                           " bytes, and its event says " + std::to_string(size));
  return {};
}

// Links are not followed, and a pipe does not hold anybody up.
UniqueFd OpenOwn(const fs::path& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

// Seconds since the name or the content changed last; links are not followed.
std::chrono::seconds AgeOf(const fs::path& path) {
  struct stat is {};
  if (lstat(path.c_str(), &is) != 0) return std::chrono::seconds(0);
  return std::chrono::seconds(time(nullptr) - is.st_ctime);
}

std::vector<fs::path> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code failed;
  // A link in the folder's place leads to what is not ours.
  if (!fs::is_directory(fs::symlink_status(folder, failed))) return entries;
  fs::directory_iterator all(folder, fs::directory_options::skip_permission_denied, failed);
  for (; !failed && all != fs::directory_iterator(); all.increment(failed))
    entries.push_back(all->path());
  return entries;
}

// Whose a session's folder is: a shim locks it as long as its process lives.
enum class Owner : uint8_t { kLives, kGone, kUnknown };
Owner OwnerOf(const fs::path& spool) {
  const Expected<UniqueFd> folder = OpenFolder(spool);
  const Expected<LockState> state = folder ? TryLock(folder->get()) : LockState::kNoLocksHere;
  if (!state || *state == LockState::kNoLocksHere) return Owner::kUnknown;
  return *state == LockState::kAnothers ? Owner::kLives : Owner::kGone;
}

size_t Remove(const fs::path& path) { return unlink(path.c_str()) == 0 ? 1 : 0; }

}  // namespace

fs::path SpoolOf(const fs::path& state, const std::string& session) {
  return state / "spool" / session;
}

fs::path BlobsFolder(const fs::path& state) { return state / "blobs"; }

Expected<void> TakeOver(const fs::path& state, const std::string& session, const std::string& id,
                        uint64_t size) {
  const fs::path taken = BlobsFolder(state) / id;
  const fs::path spool = SpoolOf(state, session);
  if (Expected<void> made = MakePrivateFolder(BlobsFolder(state)); !made)
    return FailOf("the folder for large values", made);
  // A shim that has had no acknowledgement sends the event again.
  if (const UniqueFd own = OpenOwn(taken)) return Check(own.get(), size);
  if (!fs::is_directory(fs::symlink_status(spool)))
    return Fail(ErrorCode::kIo, "a large value is not in the spool folder");
  const UniqueFd file = OpenOwn(spool / id);
  if (!file) {
    if (errno == ELOOP)
      return Fail(ErrorCode::kForbidden, "a large value in the spool folder is a link");
    if (errno == ENOENT) return Fail(ErrorCode::kIo, "a large value is not in the spool folder");
    return FailSystem("a large value can't be read");
  }
  if (Expected<void> fine = Check(file.get(), size); !fine) return fine;
  if (Expected<void> synced = PersistOthers(file.get()); !synced)
    return FailOf("a large value", synced);
  if (rename((spool / id).c_str(), taken.c_str()) != 0)
    return FailSystem("a large value can't be moved to " + taken.string());
  return PersistFolder(BlobsFolder(state));
}

void RemoveBlob(const fs::path& state, const std::string& id) { Remove(BlobsFolder(state) / id); }

void RemoveSpooled(const fs::path& state, const std::string& session, const std::string& id) {
  Remove(SpoolOf(state, session) / id);
}

void RemoveSpool(const fs::path& state, const std::string& session) {
  const fs::path spool = SpoolOf(state, session);
  for (const fs::path& entry : EntriesOf(spool)) Remove(entry);
  rmdir(spool.c_str());
  rmdir(spool.parent_path().c_str());  // of the last one
}

size_t Sweep(const fs::path& state, const std::set<std::string>& sessions,
             const std::set<std::string>& blobs, std::chrono::seconds age) {
  size_t removed = 0;
  for (const fs::path& entry : EntriesOf(BlobsFolder(state))) {
    if (!blobs.contains(entry.filename()) && AgeOf(entry) >= age) removed += Remove(entry);
  }
  for (const fs::path& spool : EntriesOf(state / "spool")) {
    const bool known = sessions.contains(spool.filename());
    const Owner owner = known ? Owner::kLives : OwnerOf(spool);
    for (const fs::path& entry : EntriesOf(spool)) {
      const bool unfinished = !IsBlobId(entry.filename().string());
      const bool old = (unfinished || owner == Owner::kUnknown) && AgeOf(entry) >= age;
      if (owner == Owner::kGone || old) removed += Remove(entry);
    }
    if (owner == Owner::kGone || (owner == Owner::kUnknown && AgeOf(spool) >= age))
      rmdir(spool.c_str());  // if it is empty
  }
  rmdir((state / "spool").c_str());
  return removed;
}

}  // namespace flarebridge
