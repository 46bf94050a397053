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

MetricValues ParseValues(pbf_reader message) {
  using namespace checkpoint_field;
  MetricValues values;
  while (message.next()) {
    switch (message.tag()) {
      case kPath:
        values.path = message.get_string();
        break;
      case kMin:
        values.min = message.get_double();
        break;
      case kMax:
        values.max = message.get_double();
        break;
      case kTotal:
        values.total = message.get_double();
        break;
      case kCount:
        values.count = message.get_uint64();
        break;
      case kHasFirst:
        values.has_first = message.get_bool();
        break;
      case kFirst:
        values.first = message.get_string();
        break;
      case kSetByHand:
        values.by_hand = message.get_bool();
        break;
      default:
        message.skip();
    }
  }
  return values;
}

StepMetric ParseStep(pbf_reader message) {
  using namespace checkpoint_field;
  StepMetric step;
  while (message.next()) {
    switch (message.tag()) {
      case kPath:
        step.path = message.get_string();
        break;
      case kName:
        step.name = message.get_string();
        break;
      case kJson:
        step.json = message.get_string();
        break;
      default:
        message.skip();
    }
  }
  return step;
}

std::pair<std::string, uint64_t> ParseByHand(pbf_reader message) {
  std::pair<std::string, uint64_t> found;
  while (message.next()) {
    switch (message.tag()) {
      case checkpoint_field::kPath:
        found.first = message.get_string();
        break;
      case checkpoint_field::kPosition:
        found.second = message.get_uint64();
        break;
      default:
        message.skip();
    }
  }
  return found;
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
      case checkpoint_field::kMetric:
        if (auto definition = ParseMetric(View(message.get_view())))
          checkpoint.metrics.definitions.push_back(std::move(*definition));
        break;
      case checkpoint_field::kValues:
        checkpoint.metrics.values.push_back(ParseValues(message.get_message()));
        break;
      case checkpoint_field::kStepMetric:
        checkpoint.metrics.steps.push_back(ParseStep(message.get_message()));
        break;
      case checkpoint_field::kByHand:
        checkpoint.by_hand.push_back(ParseByHand(message.get_message()));
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
    const uint64_t version = FillCheckpoint(pbf_reader(bytes.data(), bytes.size()), checkpoint);
    if (version < checkpoint_field::kOldestVersion || version > checkpoint_field::kVersionNow)
      return Fail(ErrorCode::kMalformed, "a checkpoint of another version");
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kMalformed, std::string("not a checkpoint: ") + e.what());
  }
  return checkpoint;
}

}  // namespace flarebridge::wandb
