#include "receivers/wandb/upload/artifact_content.h"

#include <algorithm>

#include "receivers/files/file_info.h"
#include "receivers/files/open_below.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/artifacts/md5.h"

namespace flarebridge::wandb {

namespace fs = std::filesystem;

Expected<UniqueFd> OpenContent(const fs::path& folder, const ArtifactEntry& entry) {
  if (const std::optional<Md5Sum> sum = SumOfBase64(entry.digest)) {
    Expected<UniqueFd> own = OpenBelow(folder, fs::path("artifacts") / HexOf(*sum), Links::kRefuse);
    if (own) return own;
  }
  fs::path place = entry.local_path;
  if (place.is_relative()) place = folder.parent_path().parent_path() / place;
  const Expected<FileInfo> info = InfoOf(place);
  if (!info) return Fail(ErrorCode::kIo, entry.local_path + " " + info.error().message);
  // Opening a pipe would wait.
  if (!info->is_file) return Fail(ErrorCode::kIo, entry.local_path + " is no file");
  if (info->size != entry.size)
    return Fail(ErrorCode::kIo, entry.local_path + " has " + std::to_string(info->size) +
                                    " bytes, and had " + std::to_string(entry.size) +
                                    " when it was logged");
  Expected<UniqueFd> opened = OpenToRead(place);
  if (!opened) return Fail(ErrorCode::kIo, entry.local_path + " " + opened.error().message);
  return opened;
}

uint64_t PartBytes(uint64_t size) {
  constexpr uint64_t kPart = uint64_t{100} << 20, kMostParts = 10'000, kStep = 4096;
  const uint64_t least = (size + kMostParts - 1) / kMostParts;
  return std::max(kPart, (least + kStep - 1) / kStep * kStep);
}

Expected<ContentSums> SumsOf(int file, uint64_t size, uint64_t part,
                             const std::function<bool()>& stopped) {
  constexpr uint64_t kPiece = uint64_t{256} << 10;
  std::string bytes(std::min(kPiece, size), '\0');
  ContentSums sums;
  Md5 all, one;
  for (uint64_t at = 0; at < size;) {
    if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
    const uint64_t in_part = part == 0 ? size : std::min(size - at, part - at % part);
    const uint64_t wanted = std::min({kPiece, size - at, in_part});
    const Expected<size_t> got = ReadAt(file, at, bytes.data(), wanted);
    if (!got) return Propagate(got);
    if (*got < wanted) return Fail(ErrorCode::kIo, "has become shorter");
    const std::string_view read(bytes.data(), wanted);
    all.Add(read);
    at += wanted;
    if (part == 0) continue;
    one.Add(read);
    if (at % part == 0 || at == size) {
      sums.parts.push_back(HexOf(one.Finish()));
      one = Md5();
    }
  }
  sums.digest = Base64Of(all.Finish());
  return sums;
}

}  // namespace flarebridge::wandb
