#include "receivers/wandb/log/records.h"

#include <array>
#include <cmath>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "receivers/wandb/log/varint.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

// Fields of Record.
constexpr uint32_t kNum = 1, kHistory = 2, kSummary = 3, kConfig = 5, kFiles = 6, kOutputRaw = 13,
                   kStats = 7, kRun = 17, kExit = 18, kFinal = 20, kHeader = 21, kEnvironment = 26;
// Of Record, too, but not its content.
constexpr uint32_t kControl = 16, kUuid = 19, kInfo = 200;
// Ours: far from W&B's numbers, of which the highest is 200. Protobuf readers skip what they do not
// know.
constexpr uint32_t kApplied = 7301;
constexpr uint32_t kMarkJournal = 1, kMarkFloor = 2, kMarkPositions = 3;
// HistoryItem, SummaryItem and ConfigItem alike.
constexpr uint32_t kKey = 1, kNestedKey = 2, kValueJson = 16;
// A list of items in SummaryRecord and ConfigRecord.
constexpr uint32_t kUpdate = 1, kRemove = 2;

// W&B's oldest reader that can read such a file, as wandb-core writes it (handler.go).
constexpr std::string_view kMinConsumer = "0.70.0";

void AddTimestamp(pbf_writer& parent, uint32_t tag, double seconds_since_epoch) {
  const double whole = std::floor(seconds_since_epoch);
  pbf_writer timestamp(parent, tag);
  timestamp.add_int64(1, static_cast<int64_t>(whole));
  timestamp.add_int32(2, static_cast<int32_t>((seconds_since_epoch - whole) * 1e9));
}

// Protobuf's tags, (field << 3) | wire type.
constexpr uint32_t Tag(uint32_t field, protozero::pbf_wire_type type) {
  return field << 3 | static_cast<uint32_t>(type);
}
constexpr char kNumTag = Tag(kNum, protozero::pbf_wire_type::varint);
constexpr char BytesTag(uint32_t field) {
  return static_cast<char>(Tag(field, protozero::pbf_wire_type::length_delimited));
}

// By hand, because pbf_writer moves each message when it knows its length: rows have marks.
void AppendMark(const AppliedMark& mark, std::string& out) {
  size_t positions = 0;  // bytes
  for (const uint64_t position : mark.positions) positions += VarintBytes(position);
  std::array<char, 2 + 2 * kLongestVarint + sizeof mark.journal + 1 + kLongestVarint> head{};
  char* at = PutVarint(Tag(kApplied, protozero::pbf_wire_type::length_delimited), head.data());
  at = PutVarint(1 + sizeof mark.journal + 1 + VarintBytes(mark.floor) +
                     (positions > 0 ? 1 + VarintBytes(positions) + positions : 0),
                 at);
  *at++ = Tag(kMarkJournal, protozero::pbf_wire_type::fixed64);
  for (size_t i = 0; i < sizeof mark.journal; ++i)
    *at++ = static_cast<char>(mark.journal >> (8 * i) & 0xff);
  *at++ = Tag(kMarkFloor, protozero::pbf_wire_type::varint);
  out.append(head.data(), PutVarint(mark.floor, at));
  if (positions > 0) {
    out.push_back(BytesTag(kMarkPositions));
    AppendVarint(positions, out);
    for (const uint64_t position : mark.positions) AppendVarint(position, out);
  }
}

// Runs `fill` on the sub-message of a new Record.
template <class Fill>
void AppendRecord(int64_t number, uint32_t kind, const AppliedMark* mark, std::string& out,
                  Fill fill) {
  {
    pbf_writer record(out);
    record.add_int64(kNum, number);
    pbf_writer content(record, kind);
    fill(content);
  }
  if (mark != nullptr) AppendMark(*mark, out);
}

void AddConfigItem(pbf_writer& parent, const std::pair<std::string, std::string>& item) {
  pbf_writer update(parent, kUpdate);
  update.add_string(kKey, item.first);
  update.add_string(kValueJson, item.second);
}

void AddText(pbf_writer& parent, uint32_t tag, const std::string& text) {
  if (!text.empty()) parent.add_string(tag, text);
}

void AddTelemetry(pbf_writer& run, const RunRecord& record) {
  // wandb_telemetry.proto: what the client used. lib_cpp says honestly which client this is.
  constexpr uint32_t kOffline = 4, kSetInitName = 13, kSetInitTags = 15, kSetInitConfig = 16,
                     kLibCpp = 57;
  pbf_writer telemetry(run, 19);
  {
    pbf_writer feature(telemetry, 3);
    feature.add_bool(kOffline, true);
    feature.add_bool(kSetInitName, true);
    if (!record.tags.empty()) feature.add_bool(kSetInitTags, true);
    if (!record.config.empty()) feature.add_bool(kSetInitConfig, true);
    feature.add_bool(kLibCpp, true);
  }
  telemetry.add_string(5, record.version);
  telemetry.add_string(13, record.platform);
}

AppliedMark ParseMark(pbf_reader message) {
  AppliedMark mark;
  while (message.next()) {
    switch (message.tag()) {
      case kMarkJournal:
        mark.journal = message.get_fixed64();
        break;
      case kMarkFloor:
        mark.floor = message.get_uint64();
        break;
      case kMarkPositions: {
        const auto positions = message.get_packed_uint64();
        mark.positions.assign(positions.begin(), positions.end());
        break;
      }
      default:
        message.skip();
    }
  }
  return mark;
}

std::string_view View(protozero::data_view view) { return {view.data(), view.size()}; }

ParsedRecord::ParsedItem ParseItem(pbf_reader message) {
  ParsedRecord::ParsedItem item;
  while (message.next()) {
    switch (message.tag()) {
      case kKey:
      case kNestedKey:
        if (!item.key.empty()) item.key += '.';
        item.path.push_back(View(message.get_view()));
        item.key += item.path.back();
        break;
      case kValueJson:
        item.json = View(message.get_view());
        break;
      default:
        message.skip();
    }
  }
  return item;
}

void ParseUpdates(pbf_reader message, ParsedRecord& record) {
  while (message.next()) {
    switch (message.tag()) {
      case kUpdate:
        record.items.push_back(ParseItem(message.get_message()));
        break;
      case kRemove:
        record.removed.push_back(ParseItem(message.get_message()));
        break;
      default:
        message.skip();
    }
  }
}

void ParseHistory(pbf_reader message, ParsedRecord& record) {
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        record.items.push_back(ParseItem(message.get_message()));
        break;
      case 2: {
        pbf_reader step = message.get_message();
        while (step.next()) step.tag() == 1 ? void(record.step = step.get_int64()) : step.skip();
        break;
      }
      default:
        message.skip();
    }
  }
}

void ParseFiles(pbf_reader message, ParsedRecord& record) {
  while (message.next(1)) {
    pbf_reader file = message.get_message();
    while (file.next(1)) record.files.push_back(View(file.get_view()));
  }
}

double ParseTimestamp(pbf_reader message) {
  double seconds = 0;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        seconds += static_cast<double>(message.get_int64());
        break;
      case 2:
        seconds += static_cast<double>(message.get_int32()) * 1e-9;
        break;
      default:
        message.skip();
    }
  }
  return seconds;
}

void ParseRun(pbf_reader message, ParsedRecord& record) {
  RunRecord& run = record.run;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        run.run_id = message.get_string();
        break;
      case 2:
        run.entity = message.get_string();
        break;
      case 3:
        run.project = message.get_string();
        break;
      case 4:
        ParseUpdates(message.get_message(), record);
        break;
      case 6:
        run.group = message.get_string();
        break;
      case 7:
        run.job_type = message.get_string();
        break;
      case 8:
        run.display_name = message.get_string();
        break;
      case 9:
        run.notes = message.get_string();
        break;
      case 10:
        run.tags.push_back(message.get_string());
        break;
      case 13:
        run.host = message.get_string();
        break;
      case 17:
        run.start_time = ParseTimestamp(message.get_message());
        break;
      default:
        message.skip();
    }
  }
}

void ParseOutput(pbf_reader message, ParsedRecord& record) {
  record.is_error_output = true;  // the default, 0, is STDERR
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        record.is_error_output = message.get_enum() == 0;
        break;
      case 2:
        record.time = ParseTimestamp(message.get_message());
        break;
      case 3:
        record.line = View(message.get_view());
        break;
      default:
        message.skip();
    }
  }
}

void ParseStats(pbf_reader message, ParsedRecord& record) {
  while (message.next()) {
    switch (message.tag()) {
      case 2:
        record.time = ParseTimestamp(message.get_message());
        break;
      case 3:
        record.items.push_back(ParseItem(message.get_message()));
        break;
      default:
        message.skip();
    }
  }
}

void ParseContent(pbf_reader& message, ParsedRecord& record) {
  if (message.tag() != kNum && message.tag() != kControl && message.tag() != kUuid &&
      message.tag() < kInfo) {
    record.field = message.tag();
  }
  switch (message.tag()) {
    case kNum:
      record.number = message.get_int64();
      break;
    case kHistory:
      record.kind = ParsedRecord::Kind::kHistory;
      ParseHistory(message.get_message(), record);
      break;
    case kSummary:
      record.kind = ParsedRecord::Kind::kSummary;
      ParseUpdates(message.get_message(), record);
      break;
    case kConfig:
      record.kind = ParsedRecord::Kind::kConfig;
      ParseUpdates(message.get_message(), record);
      break;
    case kRun:
      record.kind = ParsedRecord::Kind::kRun;
      ParseRun(message.get_message(), record);
      break;
    case kExit: {
      record.kind = ParsedRecord::Kind::kExit;
      pbf_reader exit = message.get_message();
      while (exit.next()) exit.tag() == 1 ? void(record.exit_code = exit.get_int32()) : exit.skip();
      break;
    }
    case kOutputRaw:
      record.kind = ParsedRecord::Kind::kOutput;
      ParseOutput(message.get_message(), record);
      break;
    case kFiles:
      record.kind = ParsedRecord::Kind::kFiles;
      ParseFiles(message.get_message(), record);
      break;
    case kStats:
      record.kind = ParsedRecord::Kind::kStats;
      ParseStats(message.get_message(), record);
      break;
    case kFinal:
      record.kind = ParsedRecord::Kind::kFinal;
      message.skip();
      break;
    case kApplied:
      record.mark = ParseMark(message.get_message());
      break;
    default:
      if (message.tag() == record.field &&
          message.wire_type() == protozero::pbf_wire_type::length_delimited) {
        record.content = View(message.get_view());
      } else {
        message.skip();
      }
  }
}

}  // namespace

void AppendPath(std::string_view component, std::string& path) {
  std::array<char, 1 + kLongestVarint> head{BytesTag(kNestedKey)};
  path.append(head.data(), PutVarint(component.size(), &head[1]));
  path += component;
}

std::string JoinPath(std::string_view path) {
  std::string joined;
  pbf_reader components(path.data(), path.size());
  while (components.next()) {
    if (!joined.empty()) joined += '.';
    joined += View(components.get_view());
  }
  return joined;
}

void AppendHeader(int64_t number, std::string_view version, std::string& out) {
  AppendRecord(number, kHeader, nullptr, out, [&](pbf_writer& header) {
    pbf_writer info(header, 1);
    info.add_string(1, "flarebridge " + std::string(version));
    info.add_string(2, kMinConsumer.data(), kMinConsumer.size());
  });
}

void AppendRun(int64_t number, const RunRecord& run, const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kRun, mark, out, [&](pbf_writer& message) {
    message.add_string(1, run.run_id);
    AddText(message, 2, run.entity);
    AddText(message, 3, run.project);
    {
      pbf_writer config(message, 4);
      for (const auto& item : run.config) AddConfigItem(config, item);
    }
    AddText(message, 6, run.group);
    AddText(message, 7, run.job_type);
    AddText(message, 8, run.display_name);
    AddText(message, 9, run.notes);
    for (const std::string& tag : run.tags) message.add_string(10, tag);
    AddText(message, 13, run.host);
    AddTimestamp(message, 17, run.start_time);
    AddTelemetry(message, run);
  });
}

void AppendEnvironment(int64_t number, const EnvironmentRecord& environment, std::string& out) {
  AppendRecord(number, kEnvironment, nullptr, out, [&](pbf_writer& message) {
    message.add_string(1, environment.os);
    AddTimestamp(message, 3, environment.started_at);
    message.add_string(6, "flarebridge");
    message.add_string(12, environment.host);
    message.add_string(14, environment.executable);
    message.add_uint32(16, environment.cpu_count);
    message.add_uint32(17, environment.cpu_count);
    pbf_writer(message, 21).add_uint64(1, environment.memory_bytes);
    message.add_string(199, environment.writer_id);
  });
}

// By hand as AppendMark(): written for every row.
void AppendHistory(int64_t number, const ItemList& items, int64_t step, const AppliedMark* mark,
                   std::string& out) {
  // Present also for step 0: presence says that the step is set.
  const auto step_number = static_cast<uint64_t>(step);
  const size_t step_bytes = step == 0 ? 0 : 1 + VarintBytes(step_number);
  std::array<char, 4 + 2 * kLongestVarint> room{kNumTag};
  char* at = PutVarint(static_cast<uint64_t>(number), &room[1]);
  *at++ = BytesTag(kHistory);
  out.append(room.data(), PutVarint(items.encoded().size() + 2 + step_bytes, at));
  out += items.encoded();
  at = room.data();
  *at++ = BytesTag(2);
  *at++ = static_cast<char>(step_bytes);
  if (step != 0) {
    *at++ = kNumTag;
    at = PutVarint(step_number, at);
  }
  out.append(room.data(), at);
  if (mark != nullptr) AppendMark(*mark, out);
}

void AppendSummary(int64_t number, const ItemList& items, std::string& out) {
  out.push_back(kNumTag);
  AppendVarint(static_cast<uint64_t>(number), out);
  out.push_back(BytesTag(kSummary));
  AppendVarint(items.encoded().size(), out);
  out += items.encoded();
}

void AppendConfig(int64_t number, const std::vector<std::pair<std::string, std::string>>& items,
                  const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kConfig, mark, out, [&](pbf_writer& message) {
    for (const auto& item : items) AddConfigItem(message, item);
  });
}

void AppendOutput(int64_t number, double time, std::string_view line, const AppliedMark* mark,
                  std::string& out) {
  AppendRecord(number, kOutputRaw, mark, out, [&](pbf_writer& message) {
    message.add_enum(1, 1);  // STDOUT; the default, 0, is STDERR
    AddTimestamp(message, 2, time);
    message.add_string(3, line.data(), line.size());
  });
}

void AppendStats(int64_t number, double time,
                 const std::vector<std::pair<std::string, double>>& values, std::string& out) {
  AppendRecord(number, kStats, nullptr, out, [&](pbf_writer& message) {
    AddTimestamp(message, 2, time);
    for (const auto& [key, value] : values) {
      pbf_writer item(message, 3);
      item.add_string(kKey, key);
      item.add_string(kValueJson, ToJson(value));
    }
  });
}

void AppendFile(int64_t number, std::string_view path, const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kFiles, mark, out, [&](pbf_writer& message) {
    pbf_writer(message, 1).add_string(1, path.data(), path.size());
  });
}

void AppendExit(int64_t number, int32_t exit_code, int32_t runtime, std::string& out) {
  AppendRecord(number, kExit, nullptr, out, [&](pbf_writer& message) {
    message.add_int32(1, exit_code);
    message.add_int32(2, runtime);
  });
}

void AppendFinal(int64_t number, const AppliedMark* mark, std::string& out) {
  pbf_writer record(out);
  record.add_int64(kNum, number);
  record.add_message(
      kFinal, std::string());  // empty, but there: a record without content ends W&B's reader
  if (mark != nullptr) AppendMark(*mark, out);
}

Expected<void> ParseRecord(std::string_view bytes, ParsedRecord& record) {
  record = ParsedRecord();
  try {
    pbf_reader message(bytes.data(), bytes.size());
    while (message.next()) ParseContent(message, record);
  } catch (const std::exception& e) {
    // protozero throws on wrong wire types and on lengths that lead outside.
    return Fail(ErrorCode::kMalformed, std::string("not a W&B record: ") + e.what());
  }
  return {};
}

}  // namespace flarebridge::wandb
