#include "receivers/wandb/upload/console_lines.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace flarebridge::wandb {
namespace {

// Of one line; what is longer continues on the next one.
constexpr size_t kMaxLine = size_t{1} << 20;

// "2026-08-21T10:00:00.123456", UTC.
std::string TimeText(double seconds) {
  const auto whole = static_cast<time_t>(std::floor(seconds));
  tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 64> text{};
  const size_t size = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text.data() + size, text.size() - size, ".%06d",
           static_cast<int>((seconds - std::floor(seconds)) * 1e6));
  return text.data();
}

}  // namespace

std::string ConsoleLines::Finish(bool is_error, Stream& stream) {
  std::string line = (is_error ? "ERROR " : "") + TimeText(stream.time) + " " + stream.text;
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
