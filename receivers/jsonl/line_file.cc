#include "receivers/jsonl/line_file.h"

#include <optional>
#include <string>

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

}  // namespace

Expected<FoundLines> ReadLines(int fd, uint64_t journal) {
  FoundLines found(journal);
  std::string held;  // what was read and is not taken yet
  bool torn = false;
  for (uint64_t at = 0;;) {
    const size_t old = held.size();
    held.resize(old + kPiece);
    const Expected<size_t> got = ReadAt(fd, at, &held[old], kPiece);
    if (!got) return Propagate(got);
    held.resize(old + *got);
    if (*got == 0) return found;
    at += *got;
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
