#include "receivers/wandb/upload/console_lines.h"

#include <string_view>
#include <utility>

#include "events/time_text.h"
#include "receivers/json.h"

namespace flarebridge::wandb {
namespace {

// Of one line; what is longer continues on the next one.
constexpr size_t kMaxLine = size_t{1} << 20;
// The width of the terminal that W&B's client emulates (runconsolelogs.go at 0.28.3): it sends no
// more of a line (0.31.0).
constexpr size_t kColumns = 4096;

// A column is a code point: bytes that go on with one begin with 10.
std::string_view FirstColumns(std::string_view text) {
  size_t columns = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool goes_on = (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80;
    if (!goes_on && ++columns > kColumns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

std::string PlainText(const ConsoleLine& line) {
  std::string text = (line.is_error ? "ERROR " : "") + UtcTimeText(line.time) + " ";
  return text += FirstColumns(line.text);
}

std::string StructuredText(const ConsoleLine& line) {
  const std::string level = line.is_error ? R"("level":"error",)" : "";
  return "{" + level + R"("ts":")" + UtcTimeText(line.time) + R"(","content":)" +
         ToJson(FirstColumns(line.text)) + "}";
}

void ConsoleLines::Take(const ParsedRecord& record, const Visitor& visit) {
  Stream& stream = streams_[record.is_error_output];
  for (const char c : record.line) {
    if (!stream.begun) stream.line.time = record.time;
    stream.begun = true;
    stream.line.is_error = record.is_error_output;
    if (c == '\n' || stream.line.text.size() >= kMaxLine) {
      visit(std::exchange(stream, Stream()).line);
      if (c == '\n') continue;
      stream.begun = true;
      stream.line.is_error = record.is_error_output;
      stream.line.time = record.time;
    }
    if (stream.returned && c != '\r') stream.line.text.clear();
    stream.returned = c == '\r';
    if (c != '\r') stream.line.text.push_back(c);
  }
}

void ConsoleLines::End(const Visitor& visit) {
  for (auto& [is_error, stream] : streams_) {
    if (!stream.line.text.empty()) visit(std::exchange(stream, Stream()).line);
  }
}

}  // namespace flarebridge::wandb
