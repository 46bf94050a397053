#include "receivers/wandb/log/record_reader.h"

#include <exception>
#include <string>

#include "receivers/wandb/log/record_fields.h"
#include "receivers/wandb/log/record_pieces.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;

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

}  // namespace

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
