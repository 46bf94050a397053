#include "receivers/wandb/upload/artifact_api.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;

constexpr const char* kCreate = R"(mutation CreateArtifact($input: CreateArtifactInput!) {
 createArtifact(input: $input) {
  artifact { id state artifactSequence { latestArtifact { id } } }
 }
})";

constexpr const char* kCreateManifest = R"(mutation CreateArtifactManifest($artifactID: ID!,
 $baseArtifactID: ID, $name: String!, $digest: String!, $entityName: String!,
 $projectName: String!, $runName: String!, $manifestType: ArtifactManifestType!,
 $includeUpload: Boolean!) {
 createArtifactManifest(input: {artifactID: $artifactID, baseArtifactID: $baseArtifactID,
  name: $name, digest: $digest, entityName: $entityName, projectName: $projectName,
  runName: $runName, type: $manifestType}) {
  artifactManifest {
   id
   file {
    id
    uploadUrl @include(if: $includeUpload)
    uploadHeaders @include(if: $includeUpload)
   }
  }
 }
})";

constexpr const char* kUpdateManifest = R"(mutation UpdateArtifactManifest(
 $artifactManifestID: ID!, $digest: String, $baseArtifactID: ID, $includeUpload: Boolean!) {
 updateArtifactManifest(input: {artifactManifestID: $artifactManifestID, digest: $digest,
  baseArtifactID: $baseArtifactID}) {
  artifactManifest {
   id
   file {
    id
    uploadUrl @include(if: $includeUpload)
    uploadHeaders @include(if: $includeUpload)
   }
  }
 }
})";

constexpr const char* kCreateFiles = R"(mutation CreateArtifactFiles(
 $input: CreateArtifactFilesInput!) {
 createArtifactFiles(input: $input) {
  files {
   edges {
    node {
     storagePath
     uploadUrl
     uploadHeaders
     uploadMultipartUrls { uploadID uploadUrlParts { partNumber uploadUrl } }
     artifact { id }
    }
   }
  }
 }
})";

constexpr const char* kCompleteParts = R"(mutation CompleteMultipartUploadArtifact(
 $completeMultipartAction: CompleteMultipartAction!, $completedParts: [UploadPartsInput!]!,
 $artifactID: ID!, $storagePath: String!, $uploadID: String!) {
 completeMultipartUploadArtifact(input: {completeMultipartAction: $completeMultipartAction,
  completedParts: $completedParts, artifactID: $artifactID, storagePath: $storagePath,
  uploadID: $uploadID}) {
  digest
 }
})";

constexpr const char* kCommit = R"(mutation CommitArtifact($artifactID: ID!) {
 commitArtifact(input: {artifactID: $artifactID}) { artifact { id digest } }
})";

constexpr const char* kUse = R"(mutation UseArtifact($input: UseArtifactInput!) {
 useArtifact(input: $input) { artifact { id } }
})";

constexpr const char* kIdOfClient = R"(query ClientIDMapping($clientID: ID!) {
 clientIDMapping(clientID: $clientID) { serverID }
})";

Json OrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

std::string TextOf(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string TextIn(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

// Asks, and has `read` take the answer's data; what it does not find there is asked for again.
template <class Read>
Attempt Ask(Api& api, const char* query, const Json& variables, const char* what, Read read) {
  std::string data;
  Attempt attempt = api.Graphql(query, TextOf(variables), data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  try {
    read(Json::parse(data));
  } catch (const Json::exception&) {
    attempt.outcome = Outcome::kRetry;
    attempt.words = std::string("the server did not say ") + what;
  }
  return attempt;
}

// Of the kinds of manifests, by what the artifact is: a whole one, a change, a part.
std::pair<const char*, const char*> KindOf(const ArtifactRecord& artifact) {
  if (artifact.incremental) return {"INCREMENTAL", "wandb_manifest.incremental.json"};
  if (!artifact.distributed_id.empty()) return {"PATCH", "wandb_manifest.patch.json"};
  return {"FULL", "wandb_manifest.json"};
}

void ReadManifest(const Api& api, const Json& answer, ArtifactApi::Manifest& manifest) {
  const Json& made = answer.at("artifactManifest");
  manifest.id = made.at("id").get<std::string>();
  const Json& file = made.at("file");
  manifest.upload = {};
  if (const std::string url = TextIn(file, "uploadUrl"); !url.empty()) {
    manifest.upload.url = api.WholeUrl(url);
    manifest.upload.headers = file.at("uploadHeaders").get<std::vector<std::string>>();
  }
}

ArtifactApi::Place ReadPlace(const Api& api, const Json& node) {
  ArtifactApi::Place place;
  place.artifact_id = node.at("artifact").at("id").get<std::string>();
  place.url = api.WholeUrl(TextIn(node, "uploadUrl"));
  if (const auto headers = node.find("uploadHeaders"); headers != node.end() && !headers->is_null())
    place.headers = headers->get<std::vector<std::string>>();
  place.storage_path = TextIn(node, "storagePath");
  const auto parts = node.find("uploadMultipartUrls");
  if (parts == node.end() || parts->is_null()) return place;
  place.upload_id = parts->at("uploadID").get<std::string>();
  const Json& urls = parts->at("uploadUrlParts");
  place.part_urls.resize(urls.size());
  for (const Json& part : urls)
    place.part_urls.at(part.at("partNumber").get<size_t>() - 1) =
        api.WholeUrl(part.at("uploadUrl").get<std::string>());
  return place;
}

}  // namespace

Attempt ArtifactApi::Create(const RunAddress& run, const ArtifactRecord& artifact,
                            Created& created) {
  Json aliases = Json::array();
  for (const std::string& alias : artifact.aliases)
    aliases.push_back({{"artifactCollectionName", artifact.name}, {"alias", alias}});
  Json input = {
      {"entityName", run.entity},
      {"projectName", run.project},
      {"runName", artifact.user_created ? Json() : Json(run.run_id)},
      {"artifactTypeName", artifact.type},
      {"artifactCollectionName", artifact.name},
      {"digest", artifact.digest},
      {"digestAlgorithm", "MANIFEST_MD5"},
      {"description", OrNull(artifact.description)},
      {"aliases", std::move(aliases)},
      {"metadata", OrNull(artifact.metadata)},
      {"historyStep", Json()},
      {"enableDigestDeduplication", true},
      {"distributedID", OrNull(artifact.distributed_id)},
      {"clientID", artifact.client_id},
      {"sequenceClientID", artifact.sequence_client_id},
      {"ttlDurationSeconds", artifact.ttl_seconds == 0 ? Json() : Json(artifact.ttl_seconds)}};
  // Servers before 0.50 do not know them, and refuse members that they do not know.
  for (const std::string& tag : artifact.tags) input["tags"].push_back({{"tagName", tag}});
  return Ask(api_, kCreate, {{"input", input}}, "which artifact it has made",
             [&](const Json& data) {
               const Json& made = data.at("createArtifact").at("artifact");
               created.id = made.at("id").get<std::string>();
               created.committed = made.at("state") == "COMMITTED";
               created.latest_id.clear();
               const Json sequence = made.value("artifactSequence", Json());
               if (!sequence.is_object()) return;
               const Json latest = sequence.value("latestArtifact", Json());
               if (latest.is_object()) created.latest_id = TextIn(latest, "id");
             });
}

Attempt ArtifactApi::CreateManifest(const RunAddress& run, const ArtifactRecord& artifact,
                                    const std::string& artifact_id, const std::string& base_id,
                                    const std::string& digest, Manifest& manifest) {
  const auto [kind, name] = KindOf(artifact);
  const Json variables = {{"artifactID", artifact_id},
                          {"baseArtifactID", OrNull(base_id)},
                          {"name", name},
                          {"digest", digest},
                          {"entityName", run.entity},
                          {"projectName", run.project},
                          {"runName", run.run_id},
                          {"manifestType", kind},
                          {"includeUpload", !digest.empty()}};
  return Ask(api_, kCreateManifest, variables, "where the manifest goes", [&](const Json& data) {
    ReadManifest(api_, data.at("createArtifactManifest"), manifest);
  });
}

Attempt ArtifactApi::UpdateManifest(const std::string& manifest_id, const std::string& base_id,
                                    const std::string& digest, Manifest& manifest) {
  const Json variables = {{"artifactManifestID", manifest_id},
                          {"digest", digest},
                          {"baseArtifactID", OrNull(base_id)},
                          {"includeUpload", true}};
  return Ask(api_, kUpdateManifest, variables, "where the manifest goes", [&](const Json& data) {
    ReadManifest(api_, data.at("updateArtifactManifest"), manifest);
  });
}

Attempt ArtifactApi::CreateFiles(const std::string& artifact_id, const std::string& manifest_id,
                                 const std::vector<Asked>& asked, std::vector<Place>& places) {
  Json files = Json::array();
  for (const Asked& file : asked) {
    Json parts;
    for (size_t i = 0; i < file.parts.size(); ++i)
      parts.push_back({{"partNumber", i + 1}, {"hexMD5", file.parts[i]}});
    files.push_back({{"artifactID", artifact_id},
                     {"artifactManifestID", manifest_id},
                     {"name", file.path},
                     {"md5", file.digest},
                     {"mimetype", Json()},
                     {"uploadPartsInput", std::move(parts)}});
  }
  const Json input = {{"artifactFiles", std::move(files)}, {"storageLayout", "V2"}};
  return Ask(api_, kCreateFiles, {{"input", input}}, "where an artifact's files go",
             [&](const Json& data) {
               const Json& edges = data.at("createArtifactFiles").at("files").at("edges");
               places.clear();
               for (const Json& edge : edges) places.push_back(ReadPlace(api_, edge.at("node")));
               places.resize(asked.size());  // one without an artifact has no place
             });
}

Attempt ArtifactApi::CompleteParts(const std::string& artifact_id, const std::string& storage_path,
                                   const std::string& upload_id,
                                   const std::vector<std::string>& etags) {
  Json parts = Json::array();
  for (size_t i = 0; i < etags.size(); ++i)
    parts.push_back({{"partNumber", i + 1}, {"hexMD5", etags[i]}});
  const Json variables = {{"completeMultipartAction", "Complete"},
                          {"completedParts", std::move(parts)},
                          {"artifactID", artifact_id},
                          {"storagePath", storage_path},
                          {"uploadID", upload_id}};
  return Ask(api_, kCompleteParts, variables, "whether it has all parts of a file",
             [](const Json& data) { (void)data.at("completeMultipartUploadArtifact").items(); });
}

Attempt ArtifactApi::Commit(const std::string& artifact_id) {
  return Ask(api_, kCommit, {{"artifactID", artifact_id}}, "that the artifact is committed",
             [](const Json& data) { (void)data.at("commitArtifact").at("artifact").at("id"); });
}

Attempt ArtifactApi::Use(const RunAddress& run, const std::string& artifact_id) {
  const Json input = {{"entityName", run.entity},
                      {"projectName", run.project},
                      {"runName", run.run_id},
                      {"artifactID", artifact_id}};
  return Ask(api_, kUse, {{"input", input}}, "that the run uses the artifact",
             [](const Json& data) { (void)data.at("useArtifact").at("artifact").at("id"); });
}

Attempt ArtifactApi::IdOfClient(const std::string& client_id, std::string& id) {
  id.clear();
  return Ask(api_, kIdOfClient, {{"clientID", client_id}}, "which artifact a reference is to",
             [&](const Json& data) {
               const Json& found = data.at("clientIDMapping");
               if (found.is_object()) id = TextIn(found, "serverID");
             });
}

}  // namespace flarebridge::wandb
