#include "receivers/jsonl/line_stream.h"

#include <utility>

#include "receivers/files/open_file.h"
#include "receivers/jsonl/line.h"

namespace flarebridge::jsonl {

LineStream::LineStream(int fd, uint64_t begin, OnProgress on_progress)
    : fd_(fd), on_progress_(std::move(on_progress)), begin_(begin) {}

Expected<std::optional<LineStream::Line>> LineStream::Next() {
  while (true) {
    const size_t end = held_.find('\n', searched_);
    if (end != std::string::npos) return std::optional(Take(end - taken_, true));
    searched_ = held_.size();
    const size_t rest = held_.size() - taken_;
    if (rest > kLongestLine) return std::optional(Take(rest, false));
    const Expected<bool> more = ReadMore();
    if (!more) return Propagate(more);
    if (!*more && rest > 0) return std::optional(Take(rest, false));
    if (!*more) return std::optional<Line>();
  }
}

Expected<bool> LineStream::ReadMore() {
  held_.erase(0, taken_);
  taken_ = 0;
  searched_ = held_.size();
  const size_t had = held_.size();
  held_.resize(had + kPiece);
  const Expected<size_t> got = ReadAt(fd_, begin_ + had, held_.data() + had, kPiece);
  held_.resize(had + (got ? *got : 0));
  if (!got) return Propagate(got);
  if (on_progress_) on_progress_();
  return *got > 0;
}

LineStream::Line LineStream::Take(size_t size, bool has_end) {
  Line line;
  line.text = std::string_view(held_).substr(taken_, size);
  line.begin = begin_;
  line.has_end = has_end;
  const size_t all = size + (has_end ? 1 : 0);
  begin_ += all;
  taken_ += all;
  searched_ = taken_;
  line.end = begin_;
  return line;
}

std::optional<AppliedMark> MarkOf(const LineStream::Line& line) {
  return line.has_end ? ReadMark(line.text) : std::nullopt;
}

}  // namespace flarebridge::jsonl
