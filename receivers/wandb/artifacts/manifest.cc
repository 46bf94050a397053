// The manifest of an artifact (artifact_record.h): its digest, and its JSON.
#include <algorithm>

#include "receivers/json.h"
#include "receivers/wandb/artifacts/artifact_record.h"
#include "receivers/wandb/artifacts/md5.h"

namespace flarebridge::wandb {
namespace {

void AppendMember(const std::string& name, std::string_view json, std::string& out) {
  if (out.back() != '{') out += ',';
  AppendJson(std::string_view(name), out);
  out += ':';
  out += json;
}

// Names and their JSON as an object.
std::string ObjectOf(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string out = "{";
  for (const auto& [name, json] : members) AppendMember(name, json, out);
  return out + "}";
}

std::string EntryJson(const ArtifactEntry& entry,
                      const std::map<std::string, std::string>& births) {
  const auto text = [](const std::string& value) { return ToJson(std::string_view(value)); };
  std::string out = "{";
  AppendMember("digest", text(entry.digest), out);
  if (!entry.ref.empty()) AppendMember("ref", text(entry.ref), out);
  AppendMember("size", std::to_string(entry.size), out);
  const auto birth = births.find(entry.path);
  const std::string& id = birth == births.end() ? entry.birth_artifact_id : birth->second;
  if (!id.empty()) AppendMember("birthArtifactID", text(id), out);
  if (!entry.extra.empty()) AppendMember("extra", ObjectOf(entry.extra), out);
  AppendMember("skip_cache", entry.skip_cache ? "true" : "false", out);
  return out + "}";
}

}  // namespace

std::string ManifestDigest(const std::vector<ArtifactEntry>& entries) {
  // Bytes of UTF-8 are in the same order as Python's code points.
  std::map<std::string_view, std::string_view> digests;
  for (const ArtifactEntry& entry : entries) digests[entry.path] = entry.digest;
  Md5 md5;
  md5.Add("wandb-artifact-manifest-v1\n");
  for (const auto& [path, digest] : digests) {
    md5.Add(path);
    md5.Add(":");
    md5.Add(digest);
    md5.Add("\n");
  }
  return HexOf(md5.Finish());
}

std::string ManifestJson(const ArtifactRecord& artifact,
                         const std::map<std::string, std::string>& births) {
  std::string out = R"({"version":1,"storagePolicy":)";
  AppendJson(std::string_view(artifact.storage_policy), out);
  out += R"(,"storagePolicyConfig":)" + ObjectOf(artifact.policy_config) + R"(,"contents":{)";
  for (const ArtifactEntry& entry : artifact.entries)
    AppendMember(entry.path, EntryJson(entry, births), out);
  return out + "}}";
}

}  // namespace flarebridge::wandb
