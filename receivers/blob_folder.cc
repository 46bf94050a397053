#include "receivers/blob_folder.h"

#include <algorithm>
#include <utility>

#include "receivers/files/copy_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/open_below.h"
#include "receivers/files/open_file.h"

namespace flarebridge {

namespace fs = std::filesystem;

std::optional<UniqueFd> BlobFolder::Open(const BlobRef& blob) {
  if (folder_.empty()) return std::nullopt;
  Expected<UniqueFd> file = OpenBelow(folder_, blob.id, Links::kRefuse);
  if (!file) {
    // It is there: a later worker may be let to it, if this one is not.
    if (file.error().code != ErrorCode::kForbidden && InfoOf(folder_ / blob.id))
      failure_ = Error{ErrorCode::kIo, "a large value " + file.error().message};
    return std::nullopt;
  }
  const Expected<FileInfo> info = InfoOf(file->get());
  if (!info) return std::nullopt;
  if (info->size != blob.size) return std::nullopt;
  return std::move(*file);
}

std::optional<std::string> BlobFolder::Content(const BlobRef& blob) {
  if (blob.size > kMostInMemory) return std::nullopt;
  return Head(blob, kMostInMemory);
}

std::optional<std::string> BlobFolder::Head(const BlobRef& blob, size_t most) {
  const std::optional<UniqueFd> file = Open(blob);
  if (!file) return std::nullopt;
  std::string head(std::min<uint64_t>(most, blob.size), '\0');
  const Expected<size_t> got = ReadAt(file->get(), 0, head.data(), head.size());
  if (!got) {
    failure_ = got.error();
    return std::nullopt;
  }
  Tell();
  if (*got != head.size()) return std::nullopt;
  return head;
}

std::optional<std::string> BlobFolder::Sha256(const BlobRef& blob) {
  const std::optional<UniqueFd> file = Open(blob);
  if (!file) return std::nullopt;
  Expected<std::string> hash = HexSha256Of(file->get(), blob.size, [this] { Tell(); });
  if (hash) return std::move(*hash);
  failure_ = Error{hash.error().code, "a large value " + hash.error().message};
  return std::nullopt;
}

Expected<bool> BlobFolder::CopyTo(const BlobRef& blob, const fs::path& folder,
                                  const fs::path& relative) {
  const std::optional<UniqueFd> file = Open(blob);
  if (!file) {
    const std::optional<Error> failed = TakeFailure();
    if (failed) return tl::unexpected<Error>(*failed);
    return false;
  }
  const Expected<void> copied =
      CopyBelow(folder, relative, file->get(), blob.size, [this] { Tell(); });
  if (copied) return true;
  if (copied.error().code == ErrorCode::kInvalidName) return false;
  return Fail(ErrorCode::kIo, "the run's file " + copied.error().message);
}

std::optional<Error> BlobFolder::TakeFailure() { return std::exchange(failure_, std::nullopt); }

}  // namespace flarebridge
