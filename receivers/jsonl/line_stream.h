// The lines of a JSONL file, one after the other, whole or not. Used by recovery and by reading for
// people. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "events/error.h"
#include "receivers/applied.h"
#include "receivers/receiver.h"

namespace flarebridge::jsonl {

// Bytes that are read at once.
inline constexpr size_t kPiece = size_t{1} << 20;
// An event has 1 MiB at most; as a line six times as much, if all of it is escaped.
inline constexpr size_t kLongestLine = size_t{8} << 20;

class LineStream {
 public:
  struct Line {
    std::string_view text;  // without its newline
    uint64_t begin = 0;     // its place in the file, in bytes
    uint64_t end = 0;       // the next one's
    bool has_end = false;   // its newline; what is longer than any line is given in parts without
  };

  // Reads from the open file, which the caller keeps open, from a place where a line begins.
  // `on_progress`: is called for each piece.
  LineStream(int fd, uint64_t begin, OnProgress on_progress = {});

  // The next line, valid until the next call; nothing: the file ends. Errors: kIo, kTemporary.
  Expected<std::optional<Line>> Next();

 private:
  // False: the file ends.
  Expected<bool> ReadMore();
  Line Take(size_t size, bool has_end);

  int fd_;
  OnProgress on_progress_;
  std::string held_;
  size_t taken_ = 0;     // of held_
  size_t searched_ = 0;  // of held_: no newline before
  uint64_t begin_;       // of what is taken next
};

// The mark of a line, if it is a whole one of ours.
std::optional<AppliedMark> MarkOf(const LineStream::Line& line);

}  // namespace flarebridge::jsonl
