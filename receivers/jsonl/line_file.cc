#include "receivers/jsonl/line_file.h"

#include <algorithm>
#include <optional>
#include <string>

#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "receivers/jsonl/line.h"
#include "receivers/jsonl/line_stream.h"

namespace flarebridge::jsonl {
namespace {

// True: there is nothing more to be learned.
bool TakeLine(const LineStream::Line& line, bool& torn, FoundLines& found) {
  const std::optional<AppliedMark> mark = MarkOf(line);
  if (!mark) {
    torn = true;
    return false;
  }
  if (torn) {
    found.damaged = true;
    return true;
  }
  found.applied.Take(*mark);
  found.whole_end = line.end;
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
  LineStream lines(fd, *from, on_progress);
  bool torn = false;
  while (true) {
    const Expected<std::optional<LineStream::Line>> line = lines.Next();
    if (!line) return Propagate(line);
    if (!*line || TakeLine(**line, torn, found)) return found;
  }
}

}  // namespace flarebridge::jsonl
