#include "receivers/wandb/upload/console_lines.h"

#include "events/time_text.h"

namespace flarebridge::wandb {
namespace {

// Of one line; what is longer continues on the next one.
constexpr size_t kMaxLine = size_t{1} << 20;

}  // namespace

std::string ConsoleLines::Finish(bool is_error, Stream& stream) {
  std::string line = (is_error ? "ERROR " : "") + UtcTimeText(stream.time) + " " + stream.text;
  stream = Stream();
  return line;
}

void ConsoleLines::Take(const ParsedRecord& record, const Visitor& visit) {
  Stream& stream = streams_[record.is_error_output];
  for (const char c : record.line) {
    if (!stream.begun) stream.time = record.time;
    stream.begun = true;
    if (c == '\n' || stream.text.size() >= kMaxLine) {
      visit(Finish(record.is_error_output, stream));
      if (c == '\n') continue;
      stream.begun = true;
      stream.time = record.time;
    }
    if (stream.returned && c != '\r') stream.text.clear();
    stream.returned = c == '\r';
    if (c != '\r') stream.text.push_back(c);
  }
}

void ConsoleLines::End(const Visitor& visit) {
  for (auto& [is_error, stream] : streams_) {
    if (!stream.text.empty()) visit(Finish(is_error, stream));
  }
}

}  // namespace flarebridge::wandb
