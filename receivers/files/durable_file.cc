#include "receivers/files/durable_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A full disk gets back what a file took that did not become whole. Gives the failure.
tl::unexpected<Error> GiveUp(const fs::path& unfinished, tl::unexpected<Error> failure) {
  std::error_code ignored;
  fs::remove(unfinished, ignored);
  return failure;
}

Expected<void> WriteAndPersist(const UniqueFd& file, std::string_view content) {
  if (Expected<void> written = WriteAt(file.get(), 0, content); !written) return written;
  return PersistFile(file.get());
}

// Under another name first; `prepare` gets the file while it is empty, and its words begin with a
// verb.
Expected<void> WriteByDraft(const fs::path& path, std::string_view content, mode_t mode,
                            const std::function<Expected<void>(int)>& prepare) {
  const fs::path draft = path.string() + ".new";
  std::error_code failed;
  if (Expected<void> made = MakeFolders(path.parent_path()); !made) return made;
  {
    const Expected<UniqueFd> file = CreateFile(draft, mode, Existing::kEmpty);
    if (!file) return FailOf(draft.string(), file);
    Expected<void> done = prepare(file->get());
    if (done) done = WriteAndPersist(*file, content);
    if (!done) return GiveUp(draft, FailOf(draft.string(), done));
  }
  fs::rename(draft, path, failed);
  if (failed)
    return GiveUp(draft, FailSystem(draft.string() + " can't be renamed", failed.value()));
  return PersistFolder(path.parent_path());
}

}  // namespace

Expected<void> WriteDurably(const fs::path& path, std::string_view content, mode_t mode) {
  return WriteByDraft(path, content, mode, [](int) { return Expected<void>(); });
}

Expected<void> WriteLike(const fs::path& path, std::string_view content, const fs::path& like) {
  struct stat model {};
  if (stat(like.c_str(), &model) != 0) return FailSystem(like.string() + " can't be read");
  return WriteByDraft(path, content, 0600, [&](int draft) -> Expected<void> {
    struct stat own {};
    const bool known = fstat(draft, &own) == 0;
    const bool ours = known && own.st_uid == model.st_uid && own.st_gid == model.st_gid;
    if (!ours && fchown(draft, model.st_uid, model.st_gid) != 0)
      return FailSystem("can't be given to the owner of " + like.string());
    if (fchmod(draft, model.st_mode & 07777) != 0) return FailSystem("can't be given its rights");
    return {};
  });
}

Expected<void> WriteNewDurably(const fs::path& path, std::string_view content, mode_t mode) {
  const Expected<UniqueFd> file = CreateFile(path, mode, Existing::kRefuse);
  if (!file) return FailOf(path.string(), file);
  if (fchmod(file->get(), mode) != 0)
    return GiveUp(path, FailSystem(path.string() + " can't be written"));
  if (Expected<void> written = WriteAndPersist(*file, content); !written)
    return GiveUp(path, FailOf(path.string(), written));
  return {};
}

Expected<void> WriteBelow(const fs::path& folder, const fs::path& relative,
                          std::string_view content) {
  const fs::path path = folder / relative;
  if (Expected<void> made = MakeFolders(path.parent_path()); !made) return made;
  const Expected<UniqueFd> file = CreateFile(path, 0666, Existing::kEmpty);
  if (!file) return FailOf(path.string(), file);
  if (Expected<void> written = WriteAndPersist(*file, content); !written)
    return FailOf(path.string(), written);
  // The names on the way are to be there after a power cut, too.
  for (fs::path above = relative; above.has_relative_path();) {
    above = above.parent_path();
    if (Expected<void> persisted = PersistFolder(folder / above); !persisted) return persisted;
  }
  return {};
}

Expected<void> CopyDurably(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (fs::exists(fs::symlink_status(to, failed)))
    return FailSystem(to.string() + " can't be made", EEXIST);
  fs::copy_file(from, to, fs::copy_options::none, failed);
  if (failed) {
    const bool is_anothers = failed == std::errc::file_exists;  // made meanwhile
    tl::unexpected<Error> failure = FailSystem(to.string() + " can't be made", failed.value());
    return is_anothers ? failure : GiveUp(to, std::move(failure));
  }
  const Expected<UniqueFd> copy = OpenToRead(to);
  if (!copy) return GiveUp(to, FailOf(to.string(), copy));
  if (Expected<void> persisted = PersistFile(copy->get()); !persisted)
    return GiveUp(to, FailOf(to.string(), persisted));
  return {};
}

}  // namespace flarebridge
