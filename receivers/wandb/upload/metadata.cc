#include "receivers/wandb/upload/metadata.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <map>
#include <span>
#include <vector>

#include "events/time_text.h"
#include "receivers/json.h"
#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

enum class Type : uint8_t { kText, kTexts, kNumber, kLongNumber, kTime, kObject, kObjects, kMap };

struct Field {
  uint32_t number;
  Type type;
  const char* name;
  std::span<const Field> members = {};
};

constexpr Field kGit[] = {{1, Type::kText, "remote"}, {2, Type::kText, "commit"}};
constexpr Field kDisk[] = {{1, Type::kLongNumber, "total"}, {2, Type::kLongNumber, "used"}};
constexpr Field kDiskEntry[] = {{1, Type::kText, "key"}, {2, Type::kObject, "value", kDisk}};
constexpr Field kMemory[] = {{1, Type::kLongNumber, "total"}};
constexpr Field kCpu[] = {
    {1, Type::kNumber, "count"}, {2, Type::kNumber, "countLogical"}, {3, Type::kText, "model"}};
constexpr Field kNvidia[] = {{1, Type::kText, "name"},        {2, Type::kLongNumber, "memoryTotal"},
                             {3, Type::kNumber, "cudaCores"}, {4, Type::kText, "architecture"},
                             {5, Type::kText, "uuid"},        {6, Type::kText, "pciBusId"},
                             {7, Type::kNumber, "numaNode"}};
constexpr Field kApple[] = {{1, Type::kText, "name"},
                            {2, Type::kNumber, "ecpuCores"},
                            {3, Type::kNumber, "pcpuCores"},
                            {4, Type::kNumber, "gpuCores"},
                            {5, Type::kNumber, "memoryGb"},
                            {6, Type::kLongNumber, "swapTotalBytes"},
                            {7, Type::kLongNumber, "ramTotalBytes"},
                            {8, Type::kText, "macModel"}};
constexpr Field kAmd[] = {{1, Type::kText, "id"},           {2, Type::kText, "uniqueId"},
                          {3, Type::kText, "vbiosVersion"}, {4, Type::kText, "performanceLevel"},
                          {5, Type::kText, "gpuOverdrive"}, {6, Type::kText, "gpuMemoryOverdrive"},
                          {7, Type::kText, "maxPower"},     {8, Type::kText, "series"},
                          {9, Type::kText, "model"},        {10, Type::kText, "vendor"},
                          {11, Type::kText, "sku"},         {12, Type::kText, "sclkRange"},
                          {13, Type::kText, "mclkRange"}};
constexpr Field kTrainium[] = {{1, Type::kText, "name"},
                               {2, Type::kText, "vendor"},
                               {3, Type::kNumber, "neuronDeviceCount"},
                               {4, Type::kNumber, "neuroncorePerDeviceCount"}};
constexpr Field kTpu[] = {{1, Type::kText, "name"},
                          {2, Type::kNumber, "hbmGib"},
                          {3, Type::kNumber, "devicesPerChip"},
                          {4, Type::kNumber, "count"}};
constexpr Field kCoreweave[] = {
    {1, Type::kText, "clusterName"}, {2, Type::kText, "orgId"}, {3, Type::kText, "region"}};
constexpr Field kSlurmEntry[] = {{1, Type::kText, "key"}, {2, Type::kText, "value"}};
constexpr Field kEnvironment[] = {{1, Type::kText, "os"},
                                  {2, Type::kText, "python"},
                                  {3, Type::kTime, "startedAt"},
                                  {4, Type::kText, "docker"},
                                  {5, Type::kTexts, "args"},
                                  {environment_field::kProgram, Type::kText, "program"},
                                  {7, Type::kText, "codePath"},
                                  {8, Type::kText, "codePathLocal"},
                                  {9, Type::kObject, "git", kGit},
                                  {10, Type::kText, "email"},
                                  {11, Type::kText, "root"},
                                  {12, Type::kText, "host"},
                                  {13, Type::kText, "username"},
                                  {14, Type::kText, "executable"},
                                  {15, Type::kText, "colab"},
                                  {16, Type::kNumber, "cpu_count"},
                                  {17, Type::kNumber, "cpu_count_logical"},
                                  {18, Type::kText, "gpu"},
                                  {19, Type::kNumber, "gpu_count"},
                                  {20, Type::kMap, "disk", kDiskEntry},
                                  {21, Type::kObject, "memory", kMemory},
                                  {22, Type::kObject, "cpu", kCpu},
                                  {23, Type::kObject, "apple", kApple},
                                  {24, Type::kObjects, "gpu_nvidia", kNvidia},
                                  {25, Type::kText, "cudaVersion"},
                                  {26, Type::kObjects, "gpu_amd", kAmd},
                                  {27, Type::kMap, "slurm", kSlurmEntry},
                                  {28, Type::kObject, "trainium", kTrainium},
                                  {29, Type::kObject, "tpu", kTpu},
                                  {30, Type::kObject, "coreweave", kCoreweave},
                                  {environment_field::kWriter, Type::kText, "writerId"}};

std::string ObjectJson(pbf_reader message, std::span<const Field> fields);

// RFC 3339 in UTC, as protojson has it: with no fraction, or 3, 6 or 9 digits of one.
std::string TimeJson(pbf_reader message) {
  int64_t seconds = 0;
  int32_t nanoseconds = 0;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        seconds = message.get_int64();
        break;
      case 2:
        nanoseconds = message.get_int32();
        break;
      default:
        message.skip();
    }
  }
  const std::string to_microseconds = UtcTimeText(seconds, 0);
  std::string time = to_microseconds.substr(0, to_microseconds.find('.'));
  std::array<char, 16> digits{};
  std::snprintf(digits.data(), digits.size(), ".%09d", std::clamp(nanoseconds, 0, 999'999'999));
  std::string fraction = digits.data();
  while (fraction.ends_with("000")) fraction.resize(fraction.size() - 3);
  if (fraction != ".") time += fraction;
  return '"' + time + "Z\"";
}

std::string ValueJson(pbf_reader& message, const Field& field) {
  switch (field.type) {
    case Type::kNumber:
      return std::to_string(message.get_uint64());
    case Type::kLongNumber:
      return '"' + std::to_string(message.get_uint64()) + '"';
    case Type::kTime:
      return TimeJson(message.get_message());
    case Type::kObject:
    case Type::kObjects:
      return ObjectJson(message.get_message(), field.members);
    default:
      return ToJson(std::string_view(message.get_string()));
  }
}

// An entry of a map: its key and its value's JSON.
std::pair<std::string, std::string> Entry(pbf_reader message, std::span<const Field> fields) {
  std::pair<std::string, std::string> entry{"", "{}"};
  while (message.next()) {
    if (message.tag() == 1) {
      entry.first = message.get_string();
    } else if (message.tag() == 2) {
      entry.second = ValueJson(message, fields[1]);
    } else {
      message.skip();
    }
  }
  return entry;
}

void Append(const std::string& text, char separator, std::string& to) {
  if (!to.empty()) to += separator;
  to += text;
}

std::string Enclosed(char open, const std::string& text, char close) {
  return std::string(1, open).append(text).append(1, close);
}

std::string ObjectJson(pbf_reader message, std::span<const Field> fields) {
  std::map<uint32_t, std::string> values;  // field -> JSON; of lists and maps the inner part
  while (message.next()) {
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const Field& candidate) {
      return candidate.number == message.tag();
    });
    if (field == fields.end()) {
      message.skip();
    } else if (field->type == Type::kMap) {
      const auto [key, value] = Entry(message.get_message(), field->members);
      Append(ToJson(std::string_view(key)) + ":" + value, ',', values[field->number]);
    } else if (field->type == Type::kTexts || field->type == Type::kObjects) {
      Append(ValueJson(message, *field), ',', values[field->number]);
    } else {
      values[field->number] = ValueJson(message, *field);
    }
  }
  std::string members;
  for (const Field& field : fields) {
    const auto value = values.find(field.number);
    if (value == values.end()) continue;
    std::string json = value->second;
    if (field.type == Type::kMap) json = Enclosed('{', json, '}');
    if (field.type == Type::kTexts || field.type == Type::kObjects) json = Enclosed('[', json, ']');
    Append(ToJson(std::string_view(field.name)) + ":" + json, ',', members);
  }
  return "{" + members + "}";
}

}  // namespace

std::string MetadataJson(std::string_view environment_record) {
  try {
    return ObjectJson(pbf_reader(environment_record.data(), environment_record.size()),
                      kEnvironment);
  } catch (const std::exception&) {
    return "";  // protozero: these bytes are no message
  }
}

std::string EnvironmentText(std::string_view environment_record, uint32_t field) {
  std::string text;
  try {
    pbf_reader message(environment_record.data(), environment_record.size());
    while (message.next(field)) text = message.get_string();
  } catch (const std::exception&) {
    return "";
  }
  return text;
}

}  // namespace flarebridge::wandb
