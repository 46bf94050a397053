#include "receivers/files/append_only_file.h"

#include "receivers/files/file_info.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

template <class T>
tl::unexpected<Error> AppendOnlyFile::FailFile(const Expected<T>& failed) const {
  return FailIo("the run log " + path_.string(), failed);
}

Expected<AppendOnlyFile> AppendOnlyFile::Open(const std::filesystem::path& path) {
  Expected<UniqueFd> opened = CreateFile(path, 0666, Existing::kKeep);
  AppendOnlyFile file(opened ? std::move(*opened) : UniqueFd(), path);
  if (!opened) return file.FailFile(opened);
  const Expected<LockState> locked = TryLock(file.fd());
  if (!locked) return file.FailFile(locked);
  if (*locked == LockState::kAnothers)
    return Fail(ErrorCode::kBusy, "another process writes the run log " + path.string());
  const Expected<FileInfo> info = InfoOf(file.fd());
  if (!info) return file.FailFile(info);
  file.size_ = info->size;
  return file;
}

Expected<void> AppendOnlyFile::Append(std::string_view bytes) {
  const Expected<void> written = WriteAt(fd(), size_, bytes);
  if (!written) {
    (void)CutTo(size_);
    return FailFile(written);
  }
  size_ += bytes.size();
  return {};
}

Expected<void> AppendOnlyFile::CutTo(uint64_t size) {
  if (const Expected<void> cut = CutFile(fd(), size); !cut) return FailFile(cut);
  size_ = size;
  return {};
}

Expected<void> AppendOnlyFile::Persist() {
  if (const Expected<void> persisted = PersistContent(fd()); !persisted) return FailFile(persisted);
  // Before anybody hears that it is on the disk: what is in a removed file is nowhere.
  if (IsTakenAway())
    return Fail(ErrorCode::kIo, "the run log " + path_.string() +
                                    " was removed, moved or replaced while it was written");
  return {};
}

bool AppendOnlyFile::IsTakenAway() const { return !IsStillAt(fd(), path_); }

}  // namespace flarebridge
