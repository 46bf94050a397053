#include "receivers/wandb/log/record_pieces.h"

#include <stdexcept>

#include "receivers/wandb/log/record_fields.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;

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

// A number that is none of ours is not known either.
RunRecord::Side SideOf(uint32_t number) {
  using Side = RunRecord::Side;
  for (const Side side : {Side::kServer, Side::kClient})
    if (static_cast<uint32_t>(side) == number) return side;
  return Side::kUnknown;
}

}  // namespace

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
      case run_field::kSide:
        run.side = SideOf(message.get_uint32());
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

}  // namespace flarebridge::wandb
