#include "receivers/wandb/log/checkpoint_reader.h"

#include <exception>
#include <string>
#include <utility>

#include "receivers/wandb/log/record_fields.h"
#include "receivers/wandb/log/record_pieces.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;

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

}  // namespace flarebridge::wandb
