#include "receivers/wandb/log/record_writer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>

#include "events/to_integer.h"
#include "receivers/json.h"
#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/log/record_fields.h"
#include "receivers/wandb/log/utf8_cut.h"
#include "receivers/wandb/log/varint.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_writer;

// W&B's oldest reader that can read such a file, as wandb-core writes it (handler.go).
constexpr std::string_view kMinConsumer = "0.70.0";

void AddTimestamp(pbf_writer& parent, uint32_t tag, double seconds_since_epoch) {
  const double whole = std::floor(seconds_since_epoch);
  pbf_writer timestamp(parent, tag);
  timestamp.add_int64(timestamp_field::kSeconds, ToInteger<int64_t>(whole));
  timestamp.add_int32(timestamp_field::kNanos,
                      ToInteger<int32_t>((seconds_since_epoch - whole) * 1e9));
}

// Protobuf's tags, (field << 3) | wire type.
constexpr uint32_t Tag(uint32_t field, protozero::pbf_wire_type type) {
  return field << 3 | static_cast<uint32_t>(type);
}
constexpr char kNumTag = Tag(kNum, protozero::pbf_wire_type::varint);
constexpr char kStepNumTag = Tag(history_field::kStepNum, protozero::pbf_wire_type::varint);
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
  pbf_writer telemetry(run, run_field::kTelemetry);
  {
    pbf_writer feature(telemetry, 3);
    feature.add_bool(kOffline, true);
    feature.add_bool(kSetInitName, true);
    if (!record.tags.empty()) feature.add_bool(kSetInitTags, true);
    if (!record.config.empty()) feature.add_bool(kSetInitConfig, true);
    feature.add_bool(kLibCpp, true);
  }
  telemetry.add_string(5, record.version);
  AddText(telemetry, 13, record.platform);
}

void FillRun(pbf_writer& message, const RunRecord& run) {
  message.add_string(run_field::kRunId, run.run_id);
  AddText(message, run_field::kEntity, run.entity);
  AddText(message, run_field::kProject, run.project);
  {
    pbf_writer config(message, run_field::kRunConfig);
    for (const auto& item : run.config) AddConfigItem(config, item);
  }
  AddText(message, run_field::kGroup, run.group);
  AddText(message, run_field::kJobType, run.job_type);
  AddText(message, run_field::kDisplayName, run.display_name);
  AddText(message, run_field::kNotes, run.notes);
  for (const std::string& tag : run.tags) message.add_string(run_field::kTags, tag);
  AddText(message, run_field::kHost, run.host);
  AddTimestamp(message, run_field::kStartTime, run.start_time);
  AddTelemetry(message, run);
  if (run.side != RunRecord::Side::kUnknown)
    message.add_uint32(run_field::kSide, static_cast<uint32_t>(run.side));
}

// Of a checkpoint.
void AddMetrics(pbf_writer& message, const Checkpoint& checkpoint) {
  using namespace checkpoint_field;
  for (const MetricDefinition& definition : checkpoint.metrics.definitions) {
    std::string fields;
    AppendMetricFields(definition, fields);
    message.add_message(checkpoint_field::kMetric, fields);
  }
  for (const MetricValues& values : checkpoint.metrics.values) {
    pbf_writer entry(message, kValues);
    entry.add_bytes(checkpoint_field::kPath, values.path);
    entry.add_double(kMin, values.min);
    entry.add_double(kMax, values.max);
    entry.add_double(kTotal, values.total);
    entry.add_uint64(kCount, values.count);
    entry.add_bool(kHasFirst, values.has_first);
    entry.add_bytes(kFirst, values.first);
    entry.add_bool(kSetByHand, values.by_hand);
  }
  for (const StepMetric& step : checkpoint.metrics.steps) {
    pbf_writer entry(message, kStepMetric);
    entry.add_bytes(checkpoint_field::kPath, step.path);
    entry.add_bytes(kName, step.name);
    entry.add_bytes(kJson, step.json);
  }
  for (const auto& [path, position] : checkpoint.by_hand) {
    pbf_writer entry(message, kByHand);
    entry.add_bytes(checkpoint_field::kPath, path);
    entry.add_uint64(kPosition, position);
  }
}

}  // namespace

void AppendPath(std::string_view component, std::string& path) {
  std::array<char, 1 + kLongestVarint> head{BytesTag(kNestedKey)};
  path.append(head.data(), PutVarint(component.size(), &head[1]));
  path += component;
}

std::string PathOf(std::string_view component) {
  std::string path;
  AppendPath(component, path);
  return path;
}

std::vector<std::string_view> ComponentsOf(std::string_view path) {
  std::vector<std::string_view> found;
  try {
    protozero::pbf_reader components(path.data(), path.size());
    while (components.next(kNestedKey)) {
      const protozero::data_view component = components.get_view();
      found.emplace_back(component.data(), component.size());
    }
  } catch (const std::exception&) {
    found.clear();  // these bytes are no path
  }
  return found;
}

std::string KeyOfPath(std::string_view path, size_t most) {
  std::string key;
  protozero::pbf_reader components(path.data(), path.size());
  while (key.size() < most && components.next(kNestedKey)) {
    if (!key.empty()) key += '.';
    const protozero::data_view component = components.get_view();
    key += FirstBytes({component.data(), component.size()}, most - std::min(most, key.size()));
  }
  return key;
}

void AppendHeader(int64_t number, std::string_view version, std::string& out) {
  AppendRecord(number, kHeader, nullptr, out, [&](pbf_writer& header) {
    pbf_writer info(header, 1);
    info.add_string(1, "flarebridge " + std::string(version));
    info.add_string(2, kMinConsumer.data(), kMinConsumer.size());
  });
}

void AppendRun(int64_t number, const RunRecord& run, const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kRun, mark, out, [&](pbf_writer& message) { FillRun(message, run); });
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
  *at++ = BytesTag(history_field::kStep);
  *at++ = static_cast<char>(step_bytes);
  if (step != 0) {
    *at++ = kStepNumTag;
    at = PutVarint(step_number, at);
  }
  out.append(room.data(), at);
  if (mark != nullptr) AppendMark(*mark, out);
}

void AppendOwnNumber(std::string& out) {
  AppendVarint(kOwnNumber << 3, out);  // wire type 0
  out.push_back(1);
}

void AppendSummary(int64_t number, const ItemList& items, std::string& out) {
  out.push_back(kNumTag);
  AppendVarint(static_cast<uint64_t>(number), out);
  out.push_back(BytesTag(kSummary));
  AppendVarint(items.encoded().size(), out);
  out += items.encoded();
}

void AppendSummaryKey(int64_t number, std::string_view key, const std::string* json,
                      const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kSummary, mark, out, [&](pbf_writer& message) {
    pbf_writer item(message, json != nullptr ? kUpdate : kRemove);
    item.add_string(kKey, key.data(), key.size());
    if (json != nullptr) item.add_string(kValueJson, *json);
  });
}

void AppendMetric(int64_t number, const MetricDefinition& definition, const AppliedMark* mark,
                  std::string& out) {
  std::string fields;
  AppendMetricFields(definition, fields);
  {
    pbf_writer record(out);
    record.add_int64(kNum, number);
    record.add_message(kMetric, fields);
  }
  if (mark != nullptr) AppendMark(*mark, out);
}

void AppendAlert(int64_t number, std::string_view title, std::string_view text,
                 std::string_view level, int64_t wait, const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kAlert, mark, out, [&](pbf_writer& message) {
    message.add_string(alert_field::kTitle, title.data(), title.size());
    message.add_string(alert_field::kText, text.data(), text.size());
    message.add_string(alert_field::kLevel, level.data(), level.size());
    message.add_int64(alert_field::kWaitDuration, wait);
  });
}

void AppendConfig(int64_t number, const std::vector<std::pair<std::string, std::string>>& items,
                  const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kConfig, mark, out, [&](pbf_writer& message) {
    for (const auto& item : items) AddConfigItem(message, item);
  });
}

void AppendConfigAt(int64_t number, std::string_view path, std::string_view json,
                    std::string& out) {
  ItemList item;
  item.Add(path, json);
  // A config's items have the number and form of a summary's.
  pbf_writer record(out);
  record.add_int64(kNum, number);
  record.add_message(kConfig, item.encoded().data(), item.encoded().size());
}

void AppendTagChange(std::string_view key, std::string_view tag, std::string& out) {
  pbf_writer record(out);
  pbf_writer change(record, kTagChange);
  change.add_string(kTagKey, key.data(), key.size());
  change.add_string(kTagText, tag.data(), tag.size());
}

void AppendCheckpoint(const Checkpoint& checkpoint, std::string& out) {
  std::string body;
  {
    pbf_writer message(body);
    message.add_uint64(checkpoint_field::kVersion, checkpoint_field::kVersionNow);
    {
      pbf_writer run(message, checkpoint_field::kRun);
      FillRun(run, checkpoint.run);
    }
    for (const auto& [key, tag] : checkpoint.tag_of_key) {
      pbf_writer entry(message, checkpoint_field::kTagOfKey);
      entry.add_string(kTagKey, key);
      entry.add_string(kTagText, tag);
    }
    message.add_bool(checkpoint_field::kTagsWait, checkpoint.tags_wait);
    if (checkpoint.last_step) message.add_int64(checkpoint_field::kLastStep, *checkpoint.last_step);
    if (checkpoint.first_step)
      message.add_int64(checkpoint_field::kFirstStep, *checkpoint.first_step);
    message.add_double(checkpoint_field::kRuntime, checkpoint.runtime);
    message.add_double(checkpoint_field::kLastTime, checkpoint.last_time);
    for (const uint64_t journal : checkpoint.journals)
      message.add_fixed64(checkpoint_field::kJournal, journal);
    AddMetrics(message, checkpoint);
  }
  AppendMark(checkpoint.mark, body);
  pbf_writer(out).add_bytes(kCheckpoint, body);
}

void AppendOutput(int64_t number, double time, std::string_view line, const AppliedMark* mark,
                  std::string& out) {
  AppendRecord(number, kOutputRaw, mark, out, [&](pbf_writer& message) {
    message.add_enum(output_field::kType, 1);  // STDOUT; the default, 0, is STDERR
    AddTimestamp(message, output_field::kTime, time);
    message.add_string(output_field::kLine, line.data(), line.size());
  });
}

void AppendStats(int64_t number, double time,
                 const std::vector<std::pair<std::string, double>>& values, const AppliedMark* mark,
                 std::string& out) {
  AppendRecord(number, kStats, mark, out, [&](pbf_writer& message) {
    AddTimestamp(message, stats_field::kTime, time);
    for (const auto& [key, value] : values) {
      pbf_writer item(message, stats_field::kItem);
      item.add_string(kKey, key);
      item.add_string(kValueJson, ToJson(value));
    }
  });
}

void AppendFile(int64_t number, std::string_view path, const AppliedMark* mark, std::string& out) {
  AppendRecord(number, kFiles, mark, out, [&](pbf_writer& message) {
    pbf_writer(message, files_field::kFile)
        .add_string(files_field::kPath, path.data(), path.size());
  });
}

void AppendExit(int64_t number, int32_t exit_code, int32_t runtime, std::string& out) {
  AppendRecord(number, kExit, nullptr, out, [&](pbf_writer& message) {
    message.add_int32(exit_field::kCode, exit_code);
    message.add_int32(exit_field::kRuntime, runtime);
  });
}

void AppendFinal(int64_t number, const AppliedMark* mark, std::string& out) {
  pbf_writer record(out);
  record.add_int64(kNum, number);
  record.add_message(
      kFinal, std::string());  // empty, but there: a record without content ends W&B's reader
  if (mark != nullptr) AppendMark(*mark, out);
}

}  // namespace flarebridge::wandb
