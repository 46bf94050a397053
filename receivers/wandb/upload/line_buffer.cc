#include "receivers/wandb/upload/line_buffer.h"

#include <algorithm>
#include <utility>

#include "receivers/json.h"
#include "receivers/wandb/upload/json_object.h"

namespace flarebridge::wandb {
namespace {

// Of a request's lines together (the same).
constexpr size_t kMaxLines = size_t{10} << 20;
// A request of this many bytes is worth its cost.
constexpr size_t kEnough = size_t{4} << 20;

std::string EventLine(const ParsedRecord& record, double run_start) {
  std::string line = R"({"_wandb":true,"_timestamp":)" + ToJson(record.time) + R"(,"_runtime":)" +
                     ToJson(std::max(0.0, record.time - run_start));
  for (const ParsedRecord::ParsedItem& item : record.items) {
    line += ',';
    AppendJson(std::string_view("system." + item.key), line);
    line += ':';
    line += item.json;
  }
  return line + "}";
}

}  // namespace

std::string HistoryLine(const ParsedRecord& record) {
  JsonObject object;
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (!item.path.empty()) object.Set(item.path, item.json);
  }
  return object.Text();
}

void LineBuffer::Take(const ParsedRecord& record, double run_start) {
  const auto add_console = [this](const ConsoleLine& line) {
    if (IsNew(kConsoleStream))
      AddLine(kConsoleStream, structured_ ? StructuredText(line) : PlainText(line));
  };
  switch (record.kind) {
    case ParsedRecord::Kind::kHistory:
      if (IsNew(kHistoryStream)) AddLine(kHistoryStream, HistoryLine(record));
      break;
    case ParsedRecord::Kind::kStats:
      if (IsNew(kEventsStream)) AddLine(kEventsStream, EventLine(record, run_start));
      break;
    case ParsedRecord::Kind::kOutput:
      console_.Take(record, add_console);
      break;
    case ParsedRecord::Kind::kExit:
      console_.End(add_console);
      break;
    default:
      break;
  }
}

bool LineBuffer::IsNew(const std::string& stream) { return ++seen_[stream] > confirmed_[stream]; }

bool LineBuffer::full() const { return !held_.empty() || bytes_ >= kEnough; }

void LineBuffer::AddLine(const std::string& stream, std::string line) {
  if (line.size() > kMaxLine) {
    line = "{}";
    ++too_long_;
  }
  Place({stream, seen_[stream] - 1, ToJson(std::string_view(line))});
}

void LineBuffer::Place(Line line) {
  // Behind one that is held, all are: lines keep their order.
  if (!held_.empty() || (bytes_ > 0 && bytes_ + line.json.size() > kMaxLines)) {
    held_.push_back(std::move(line));
  } else {
    Append(line);
  }
}

void LineBuffer::Append(const Line& line) {
  const auto [part, added] = parts_.try_emplace(line.stream);
  if (added) part->second.offset = line.offset;
  if (!added) part->second.lines += ',';
  part->second.lines += line.json;
  ++part->second.count;
  bytes_ += line.json.size();
}

void LineBuffer::Clear() {
  parts_.clear();
  bytes_ = 0;
  std::vector<Line> held = std::exchange(held_, {});
  for (Line& line : held) Place(std::move(line));
}

}  // namespace flarebridge::wandb
