#include "receivers/wandb/upload/upload_config.h"

#include <utility>

#include "receivers/json.h"
#include "receivers/wandb/upload/metadata.h"
#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {
namespace {

constexpr const char* kOwn = "_wandb";
// Of `_wandb`: objects of which each part of a run adds members.
constexpr const char* kKept[] = {"visualize", "viz", "mask/class_labels"};

using Members = std::map<std::string, std::string>;  // key -> JSON

std::string ObjectOf(const Members& members) {
  std::string json = "{";
  for (const auto& [key, value] : members) {
    if (json.size() > 1) json += ',';
    AppendJson(std::string_view(key), json);
    json += ':' + value;
  }
  return json + "}";
}

Members MembersOf(std::string_view json) {
  Members members;
  VisitMembers(json,
               [&](std::string key, std::string_view value) { members[std::move(key)] = value; });
  return members;
}

Members ValuesOf(std::string_view config) {
  Members values;
  VisitMembers(config, [&](std::string key, std::string_view item) {
    VisitMembers(item, [&](const std::string& member, std::string_view value) {
      if (member == "value") values[key] = value;
    });
  });
  return values;
}

Members OwnMembers(const ConfigSources& sources) {
  Members own = sources.config.MembersOf(kOwn);
  // What depends on the client's version asks for X.Y.Z.
  const std::string version = sources.telemetry.cli_version();
  own["cli_version"] = ToJson(std::string_view(version.empty() ? FLAREBRIDGE_VERSION : version));
  if (const std::string python = sources.telemetry.python_version(); !python.empty())
    own["python_version"] = ToJson(std::string_view(python));
  own["t"] = sources.telemetry.Json();
  own["m"] = sources.metrics.Json();
  const std::string environment = MetadataJson(sources.environment);
  if (sources.environment.empty() || environment.empty()) return own;
  // By writer, of which a run may have several. `wandb sync` makes a new id each time it uploads;
  // the log's own is the same each time.
  const std::string writer = EnvironmentText(sources.environment, environment_field::kWriter);
  own["e"] = ObjectOf({{writer.empty() ? sources.run_id : writer, environment}});
  return own;
}

}  // namespace

std::map<std::string, std::string> UploadedConfig(const ConfigSources& sources,
                                                  std::string_view earlier) {
  Members config = sources.config.Members();
  Members own = OwnMembers(sources);
  Members before = ValuesOf(earlier);
  Members own_before = MembersOf(before[kOwn]);
  for (const char* kept : kKept) {
    Members both = MembersOf(own[kept]);
    both.merge(MembersOf(own_before[kept]));
    if (both.empty()) {
      own.erase(kept);
    } else {
      own[kept] = ObjectOf(both);
    }
  }
  config[kOwn] = ObjectOf(own);
  config.merge(before);
  for (auto& [key, json] : config) json = StrictJson(json);
  return config;
}

std::string ConfigJson(const std::map<std::string, std::string>& config) {
  Members items;
  for (const auto& [key, json] : config) items[key] = R"({"value":)" + json + "}";
  return ObjectOf(items);
}

std::string ConfigYaml(const std::map<std::string, std::string>& config) {
  std::string yaml;
  for (const auto& [key, json] : config) {
    AppendJson(std::string_view(key), yaml);
    yaml += ":\n  value: " + json + "\n";
  }
  return yaml;
}

}  // namespace flarebridge::wandb
