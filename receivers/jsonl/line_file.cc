#include "receivers/jsonl/line_file.h"

#include <algorithm>
#include <optional>
#include <string>

#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "receivers/jsonl/line.h"

namespace flarebridge::jsonl {
namespace {

constexpr size_t kPiece = size_t{1} << 20;
// An event has 1 MiB at most; as a line six times as much, if all of it is escaped.
constexpr size_t kLongestLine = size_t{8} << 20;

// True: there is nothing more to be learned.
bool TakeLine(std::string_view line, bool& torn, FoundLines& found) {
  const std::optional<AppliedMark> mark = ReadMark(line);
  if (!mark) {
    torn = true;
    return false;
  }
  if (torn) {
    found.damaged = true;
    return true;
  }
  found.applied.Take(*mark);
  found.whole_end += line.size() + 1;
  return false;
}

// Bytes from `at` on, at most so many; fewer where the file ends.
Expected<std::string> ReadPiece(int fd, uint64_t at, size_t most, const OnProgress& on_progress) {
  std::string piece(most, '\0');
  const Expected<size_t> got = ReadAt(fd, at, piece.data(), most);
  if (!got) return Propagate(got);
  piece.resize(*got);
  if (on_progress) on_progress();
  return piece;
}

// Where a line begins that was confirmed, as late in the file as a few looks find one; 0: all is to
// be read.
Expected<uint64_t> FindConfirmed(int fd, uint64_t journal, uint64_t durable,
                                 const OnProgress& on_progress) {
  const Expected<FileInfo> file = InfoOf(fd);
  if (!file) return Propagate(file);
  const uint64_t first = file->size - std::min(file->size, kConfirmedWithin);
  for (uint64_t end = file->size; end > first + kPiece;) {
    end -= kPiece;
    const Expected<std::string> piece = ReadPiece(fd, end, kPiece, on_progress);
    if (!piece) return Propagate(piece);
    const size_t start = piece->find('\n') + 1;
    const size_t stop = piece->find('\n', start);
    if (start == 0 || stop == std::string::npos) continue;  // a long line
    const auto mark = ReadMark(std::string_view(*piece).substr(start, stop - start));
    if (mark && mark->journal == journal && mark->floor <= durable) return end + start;
  }
  return uint64_t{0};
}

}  // namespace

Expected<FoundLines> ReadLines(int fd, uint64_t journal, uint64_t durable,
                               const OnProgress& on_progress) {
  FoundLines found(journal);
  const Expected<uint64_t> from = FindConfirmed(fd, journal, durable, on_progress);
  if (!from) return Propagate(from);
  found.whole_end = *from;
  std::string held;  // what was read and is not taken yet
  bool torn = false;
  for (uint64_t at = *from;;) {
    const size_t old = held.size();
    const Expected<std::string> piece = ReadPiece(fd, at, kPiece, on_progress);
    if (!piece) return Propagate(piece);
    if (piece->empty()) return found;
    held += *piece;
    at += piece->size();
    size_t start = 0;
    for (size_t end = held.find('\n', old); end != std::string::npos;
         end = held.find('\n', start)) {
      if (TakeLine(std::string_view(held).substr(start, end - start), torn, found)) return found;
      start = end + 1;
    }
    held.erase(0, start);
    if (held.size() <= kLongestLine) continue;
    torn = true;  // no line is that long
    held.clear();
  }
}

}  // namespace flarebridge::jsonl
