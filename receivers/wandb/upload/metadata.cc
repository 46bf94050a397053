#include "receivers/wandb/upload/metadata.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <exception>
#include <iterator>
#include <map>
#include <protozero/pbf_reader.hpp>
#include <span>
#include <vector>

#include "receivers/wandb/json.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

enum class Type { kText, kTexts, kNumber, kLongNumber, kTime, kObject, kObjects, kMap };

struct Field {
  uint32_t number;
  const char* name;
  Type type;
  std::span<const Field> members = {};
};

constexpr Field kGit[] = {{1, "remote", Type::kText}, {2, "commit", Type::kText}};
constexpr Field kDisk[] = {{1, "total", Type::kLongNumber}, {2, "used", Type::kLongNumber}};
constexpr Field kDiskEntry[] = {{1, "key", Type::kText}, {2, "value", Type::kObject, kDisk}};
constexpr Field kMemory[] = {{1, "total", Type::kLongNumber}};
constexpr Field kCpu[] = {
    {1, "count", Type::kNumber}, {2, "countLogical", Type::kNumber}, {3, "model", Type::kText}};
constexpr Field kNvidia[] = {{1, "name", Type::kText},        {2, "memoryTotal", Type::kLongNumber},
                             {3, "cudaCores", Type::kNumber}, {4, "architecture", Type::kText},
                             {5, "uuid", Type::kText},        {6, "pciBusId", Type::kText},
                             {7, "numaNode", Type::kNumber}};
constexpr Field kSlurmEntry[] = {{1, "key", Type::kText}, {2, "value", Type::kText}};
constexpr Field kEnvironment[] = {{1, "os", Type::kText},
                                  {2, "python", Type::kText},
                                  {3, "startedAt", Type::kTime},
                                  {4, "docker", Type::kText},
                                  {5, "args", Type::kTexts},
                                  {6, "program", Type::kText},
                                  {7, "codePath", Type::kText},
                                  {8, "codePathLocal", Type::kText},
                                  {9, "git", Type::kObject, kGit},
                                  {10, "email", Type::kText},
                                  {11, "root", Type::kText},
                                  {12, "host", Type::kText},
                                  {13, "username", Type::kText},
                                  {14, "executable", Type::kText},
                                  {15, "colab", Type::kText},
                                  {16, "cpu_count", Type::kNumber},
                                  {17, "cpu_count_logical", Type::kNumber},
                                  {18, "gpu", Type::kText},
                                  {19, "gpu_count", Type::kNumber},
                                  {20, "disk", Type::kMap, kDiskEntry},
                                  {21, "memory", Type::kObject, kMemory},
                                  {22, "cpu", Type::kObject, kCpu},
                                  {24, "gpu_nvidia", Type::kObjects, kNvidia},
                                  {25, "cudaVersion", Type::kText},
                                  {27, "slurm", Type::kMap, kSlurmEntry},
                                  {199, "writerId", Type::kText}};

std::string ObjectJson(pbf_reader message, std::span<const Field> fields);

// RFC 3339 in UTC, as protojson has it.
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
  const auto whole = static_cast<time_t>(seconds);
  tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 64> text{};
  size_t size = strftime(text.data(), text.size(), "\"%Y-%m-%dT%H:%M:%S", &parts);
  size += static_cast<size_t>(
      snprintf(text.data() + size, text.size() - size, ".%06dZ\"", nanoseconds / 1000));
  return {text.data(), size};
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
    if (field.type == Type::kMap) json = "{" + json + "}";
    if (field.type == Type::kTexts || field.type == Type::kObjects) json = "[" + json + "]";
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

}  // namespace flarebridge::wandb
