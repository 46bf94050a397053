#include "receivers/wandb/upload/telemetry.h"

#include <exception>

#include "receivers/json.h"
#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/upload/numbered_json.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;

// Fields of TelemetryRecord (wandb_telemetry.proto at 0.31.0): texts, and messages of flags.
constexpr uint32_t kImportsInit = 1, kImportsFinish = 2, kFeature = 3, kPython = 4, kClient = 5,
                   kHuggingface = 6, kEnvironment = 8, kLabels = 9, kDeprecated = 10, kCore = 12,
                   kPlatform = 13;

void TakeFlags(pbf_reader message, std::set<uint32_t>& flags) {
  while (message.next()) {
    const uint32_t flag = message.tag();
    if (message.wire_type() != protozero::pbf_wire_type::varint) {
      message.skip();
    } else if (message.get_bool()) {
      flags.insert(flag);
    }
  }
}

void TakeLabels(pbf_reader message, std::map<uint32_t, std::string>& labels) {
  while (message.next()) {
    const uint32_t label = message.tag();
    if (message.wire_type() != protozero::pbf_wire_type::length_delimited) {
      message.skip();
    } else {
      labels[label] = message.get_string();
    }
  }
}

std::string ObjectOf(const std::map<uint32_t, std::string>& members) {
  std::string json = "{";
  for (const auto& [field, value] : members) AppendMember(field, value, json);
  return json + "}";
}

std::map<uint32_t, std::string> AsJson(const std::map<uint32_t, std::string>& texts) {
  std::map<uint32_t, std::string> members;
  for (const auto& [field, text] : texts) members[field] = ToJson(std::string_view(text));
  return members;
}

}  // namespace

void Telemetry::Take(std::string_view telemetry_record) {
  Telemetry read;
  try {
    pbf_reader message(telemetry_record.data(), telemetry_record.size());
    while (message.next()) {
      const uint32_t field = message.tag();
      switch (field) {
        case kPython:
        case kClient:
        case kHuggingface:
        case kCore:
        case kPlatform:
          read.texts_[field] = message.get_string();
          break;
        case kImportsInit:
        case kImportsFinish:
        case kFeature:
        case kEnvironment:
        case kDeprecated:
          TakeFlags(message.get_message(), read.flags_[field]);
          break;
        case kLabels:
          TakeLabels(message.get_message(), read.labels_);
          break;
        default:
          message.skip();
      }
    }
  } catch (const std::exception&) {
    return;  // protozero: these bytes are no message
  }
  for (auto& [field, text] : read.texts_) texts_[field] = std::move(text);
  for (auto& [field, flags] : read.flags_) flags_[field].merge(flags);
  for (auto& [label, text] : read.labels_) labels_[label] = std::move(text);
}

std::string Telemetry::Text(uint32_t field) const {
  const auto text = texts_.find(field);
  return text == texts_.end() ? "" : text->second;
}

std::string Telemetry::Json() const {
  std::map<uint32_t, std::string> members = AsJson(texts_);
  for (const auto& [field, flags] : flags_) members[field] = ListOf(flags);
  if (!labels_.empty()) members[kLabels] = ObjectOf(AsJson(labels_));
  return ObjectOf(members);
}

}  // namespace flarebridge::wandb
