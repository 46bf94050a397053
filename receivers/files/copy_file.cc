#include "receivers/files/copy_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <vector>

#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/stable_hash.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPiece = size_t{1} << 20;         // through this process's memory
constexpr size_t kKernelPiece = size_t{64} << 20;  // within the kernel

tl::unexpected<Error> FailShort() { return Fail(ErrorCode::kIo, "is shorter than it should be"); }

// Bytes from `begin` to before `end`, through this process.
Expected<void> CopyByHand(int from, int to, uint64_t begin, uint64_t end, const OnPiece& on_piece) {
  std::vector<char> piece(kPiece);
  while (begin < end) {
    const auto most = static_cast<size_t>(std::min<uint64_t>(kPiece, end - begin));
    const Expected<size_t> got = ReadAt(from, begin, piece.data(), most);
    if (!got) return Propagate(got);
    if (*got == 0) return FailShort();
    if (Expected<void> written = WriteAt(to, begin, {piece.data(), *got}); !written) return written;
    begin += *got;
    on_piece();
  }
  return {};
}

// The same in the kernel, where that goes: not between all file systems, and not in every sandbox.
Expected<void> CopyBytes(int from, int to, uint64_t begin, uint64_t end, const OnPiece& on_piece) {
  while (begin < end) {
    auto in = static_cast<off_t>(begin);
    auto out = in;
    const auto most = static_cast<size_t>(std::min<uint64_t>(kKernelPiece, end - begin));
    const ssize_t copied = copy_file_range(from, &in, to, &out, most, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG))
      return FailSystem("can't be written");
    if (copied <= 0) return CopyByHand(from, to, begin, end, on_piece);
    begin += static_cast<uint64_t>(copied);
    on_piece();
  }
  return {};
}

// All parts that are no holes. A file system that knows no holes says that all is data.
Expected<void> CopyData(int from, int to, uint64_t size, const OnPiece& on_piece) {
  for (uint64_t at = 0; at < size;) {
    const off_t data = lseek(from, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // the rest is a hole
    if (data < 0) return CopyBytes(from, to, at, size, on_piece);
    const off_t hole = lseek(from, data, SEEK_HOLE);
    const uint64_t end = hole < 0 ? size : std::min<uint64_t>(size, static_cast<uint64_t>(hole));
    if (Expected<void> done = CopyBytes(from, to, static_cast<uint64_t>(data), end, on_piece);
        !done)
      return done;
    at = std::max(end, at + 1);
  }
  return CutFile(to, size);
}

}  // namespace

Expected<std::string> HexSha256Of(int file, uint64_t size, const OnPiece& on_piece) {
  Sha256 hash;
  std::vector<char> piece(kPiece);
  for (uint64_t at = 0; at < size;) {
    const auto most = static_cast<size_t>(std::min<uint64_t>(kPiece, size - at));
    const Expected<size_t> got = ReadAt(file, at, piece.data(), most);
    if (!got) return Propagate(got);
    if (*got == 0) return FailShort();
    hash.Add({piece.data(), *got});
    at += *got;
    on_piece();
  }
  return hash.Hex();
}

Expected<void> CopyBelow(const fs::path& folder, const fs::path& relative, int file, uint64_t size,
                         const OnPiece& on_piece) {
  const fs::path path = folder / relative;
  const fs::path draft = path.parent_path() / ("." + path.filename().string() + ".part");
  if (Expected<void> made = MakeFolders(path.parent_path()); !made) return made;
  {
    const Expected<UniqueFd> copy = CreateFile(draft, 0666, Existing::kEmpty);
    if (!copy) return FailOf(path.string(), copy);
    Expected<void> done = CopyData(file, copy->get(), size, on_piece);
    if (done) done = PersistFile(copy->get());
    if (!done) {
      unlink(draft.c_str());  // a full disk gets it back
      return FailOf(path.string(), done);
    }
  }
  if (rename(draft.c_str(), path.c_str()) != 0) {
    const tl::unexpected<Error> failed = FailPath(path.string() + " can't be made");
    unlink(draft.c_str());
    return failed;
  }
  for (fs::path above = relative; above.has_relative_path();) {
    above = above.parent_path();
    if (Expected<void> persisted = PersistFolder(folder / above); !persisted) return persisted;
  }
  return {};
}

}  // namespace flarebridge
