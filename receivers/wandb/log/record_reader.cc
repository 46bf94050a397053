#include "receivers/wandb/log/record_reader.h"

#include <stdexcept>

#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/log/record_fields.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;

// There is room in the record for one more entry of a list.
bool TakePart(ParsedRecord& record) {
  if (++record.parts <= ParsedRecord::kMaxParts) return true;
  ++record.left_out;
  return false;
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
        // protozero does not look at the type of a packed list.
        if (!message.has_wire_type(protozero::pbf_wire_type::length_delimited))
          throw WrongType("a mark's positions");
        const auto positions = message.get_packed_uint64();
        // Without one of them it would say something else. Each has a byte at least.
        if (positions.size() > ParsedRecord::kMaxParts)
          throw std::length_error("a mark of too many positions");
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

void ParseItem(pbf_reader message, std::vector<ParsedRecord::ParsedItem>& items,
               ParsedRecord& record) {
  if (!TakePart(record)) return;
  ParsedRecord::ParsedItem& item = items.emplace_back();
  while (message.next()) {
    switch (message.tag()) {
      case kKey:
      case kNestedKey:
        if (!TakePart(record)) {
          items.pop_back();
          return;
        }
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
}

void ParseUpdates(pbf_reader message, ParsedRecord& record) {
  while (message.next()) {
    switch (message.tag()) {
      case kUpdate:
        ParseItem(message.get_message(), record.items, record);
        break;
      case kRemove:
        ParseItem(message.get_message(), record.removed, record);
        break;
      default:
        message.skip();
    }
  }
}

void ParseHistory(pbf_reader message, ParsedRecord& record) {
  while (message.next()) {
    switch (message.tag()) {
      case history_field::kItem:
        ParseItem(message.get_message(), record.items, record);
        break;
      case history_field::kStep: {
        pbf_reader step = message.get_message();
        while (step.next())
          step.tag() == history_field::kStepNum ? void(record.step = step.get_int64())
                                                : step.skip();
        break;
      }
      default:
        message.skip();
    }
  }
}

void ParseFiles(pbf_reader message, ParsedRecord& record) {
  while (message.next(files_field::kFile)) {
    pbf_reader file = message.get_message();
    while (file.next(files_field::kPath)) {
      const std::string_view path = View(file.get_view());
      if (TakePart(record)) record.files.push_back(path);
    }
  }
}

double ParseTimestamp(pbf_reader message) {
  double seconds = 0;
  while (message.next()) {
    switch (message.tag()) {
      case timestamp_field::kSeconds:
        seconds += static_cast<double>(message.get_int64());
        break;
      case timestamp_field::kNanos:
        seconds += static_cast<double>(message.get_int32()) * 1e-9;
        break;
      default:
        message.skip();
    }
  }
  return seconds;
}

void ParseGit(pbf_reader message, RunRecord& run) {
  while (message.next()) {
    switch (message.tag()) {
      case git_field::kRemote:
        run.repo = message.get_string();
        break;
      case git_field::kCommit:
        run.commit = message.get_string();
        break;
      default:
        message.skip();
    }
  }
}

// The texts that a run's record holds once.
std::string RunRecord::*TextOf(uint32_t field) {
  switch (field) {
    case run_field::kRunId:
      return &RunRecord::run_id;
    case run_field::kEntity:
      return &RunRecord::entity;
    case run_field::kProject:
      return &RunRecord::project;
    case run_field::kGroup:
      return &RunRecord::group;
    case run_field::kJobType:
      return &RunRecord::job_type;
    case run_field::kDisplayName:
      return &RunRecord::display_name;
    case run_field::kNotes:
      return &RunRecord::notes;
    case run_field::kSweep:
      return &RunRecord::sweep;
    case run_field::kHost:
      return &RunRecord::host;
    default:
      return nullptr;
  }
}

void ParseRun(pbf_reader message, ParsedRecord& record) {
  RunRecord& run = record.run;
  while (message.next()) {
    if (const auto text = TextOf(message.tag()); text != nullptr) {
      run.*text = message.get_string();
      continue;
    }
    switch (message.tag()) {
      case run_field::kRunConfig:
        ParseUpdates(message.get_message(), record);
        break;
      case run_field::kTags:
        if (TakePart(record)) {
          run.tags.push_back(message.get_string());
        } else {
          message.skip();
        }
        break;
      case run_field::kStartTime:
        run.start_time = ParseTimestamp(message.get_message());
        break;
      case run_field::kTelemetry:
        record.telemetry = View(message.get_view());
        break;
      case run_field::kGit:
        ParseGit(message.get_message(), run);
        break;
      case run_field::kResume:
        run.resumed = message.get_bool();
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
      case output_field::kType:
        record.is_error_output = message.get_enum() == 0;
        break;
      case output_field::kTime:
        record.time = ParseTimestamp(message.get_message());
        break;
      case output_field::kLine:
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
      case stats_field::kTime:
        record.time = ParseTimestamp(message.get_message());
        break;
      case stats_field::kItem:
        ParseItem(message.get_message(), record.items, record);
        break;
      default:
        message.skip();
    }
  }
}

void ParseTagChange(pbf_reader message, ParsedRecord& record) {
  if (!TakePart(record)) return;
  auto& [key, tag] = record.tag_changes.emplace_back();
  while (message.next()) {
    switch (message.tag()) {
      case kTagKey:
        key = View(message.get_view());
        break;
      case kTagText:
        tag = View(message.get_view());
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
      while (exit.next())
        exit.tag() == exit_field::kCode ? void(record.exit_code = exit.get_int32()) : exit.skip();
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
    case kOwnNumber:
      record.own_number = message.get_uint64() != 0;
      break;
    case kApplied:
      record.mark = ParseMark(message.get_message());
      break;
    case kTagChange:
      ParseTagChange(message.get_message(), record);
      break;
    case kCheckpoint:
      record.checkpoint = View(message.get_view());
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

std::pair<std::string, std::string> ParseTagOfKey(const pbf_reader& message) {
  ParsedRecord parsed;
  ParseTagChange(message, parsed);
  return {std::string(parsed.tag_changes.front().first),
          std::string(parsed.tag_changes.front().second)};
}

// Gives the version.
uint64_t FillCheckpoint(pbf_reader message, Checkpoint& checkpoint) {
  uint64_t version = 0;
  while (message.next()) {
    switch (message.tag()) {
      case checkpoint_field::kVersion:
        version = message.get_uint64();
        break;
      case checkpoint_field::kRun: {
        ParsedRecord parsed;
        ParseRun(message.get_message(), parsed);
        checkpoint.run = std::move(parsed.run);
        break;
      }
      case checkpoint_field::kTagOfKey:
        checkpoint.tag_of_key.push_back(ParseTagOfKey(message.get_message()));
        break;
      case checkpoint_field::kTagsWait:
        checkpoint.tags_wait = message.get_bool();
        break;
      case checkpoint_field::kLastStep:
        checkpoint.last_step = message.get_int64();
        break;
      case checkpoint_field::kFirstStep:
        checkpoint.first_step = message.get_int64();
        break;
      case checkpoint_field::kRuntime:
        checkpoint.runtime = message.get_double();
        break;
      case checkpoint_field::kLastTime:
        checkpoint.last_time = message.get_double();
        break;
      case checkpoint_field::kJournal:
        checkpoint.journals.push_back(message.get_fixed64());
        break;
      case kApplied:
        checkpoint.mark = ParseMark(message.get_message());
        break;
      default:
        message.skip();
    }
  }
  return version;
}

}  // namespace

// 7304 << 3 | 2 (length delimited), as a varint.
const std::string_view kCheckpointBegin("\xc2\xc8\x03", 3);

Expected<Checkpoint> ParseCheckpoint(std::string_view bytes) {
  Checkpoint checkpoint;
  try {
    if (FillCheckpoint(pbf_reader(bytes.data(), bytes.size()), checkpoint) !=
        checkpoint_field::kVersionNow)
      return Fail(ErrorCode::kMalformed, "a checkpoint of another version");
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kMalformed, std::string("not a checkpoint: ") + e.what());
  }
  return checkpoint;
}

Expected<void> ParseRecord(std::string_view bytes, ParsedRecord& record) {
  record = ParsedRecord();
  try {
    pbf_reader message(bytes.data(), bytes.size());
    while (message.next()) ParseContent(message, record);
  } catch (const std::exception& e) {
    // Wrong types of fields (protobuf.h), and lengths that lead outside.
    return Fail(ErrorCode::kMalformed, std::string("not a W&B record: ") + e.what());
  }
  return {};
}

}  // namespace flarebridge::wandb
