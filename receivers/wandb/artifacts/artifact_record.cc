#include "receivers/wandb/artifacts/artifact_record.h"

#include <exception>

#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;

// Field numbers of wandb_internal.proto at 0.31.0.
namespace artifact_field {  // ArtifactRecord
constexpr uint32_t kType = 4, kName = 5, kDigest = 6, kDescription = 7, kMetadata = 8,
                   kUserCreated = 9, kUseAfterCommit = 10, kAliases = 11, kManifest = 12,
                   kDistributedId = 13, kFinalize = 14, kClientId = 15, kSequenceClientId = 16,
                   kBaseId = 17, kTtl = 18, kTags = 19, kDigestAlgorithm = 20, kIncremental = 100;
}
namespace manifest_field {  // ArtifactManifest
constexpr uint32_t kPolicy = 2, kPolicyConfig = 3, kContents = 4, kFile = 5;
}
namespace entry_field {  // ArtifactManifestEntry
constexpr uint32_t kPath = 1, kDigest = 2, kRef = 3, kSize = 4, kLocalPath = 6, kBirth = 7,
                   kSkipCache = 8, kExtra = 16;
}
namespace pair_field {  // StoragePolicyConfigItem and ExtraItem alike
constexpr uint32_t kKey = 1, kJson = 2;
}
namespace used_field {  // UseArtifactRecord
constexpr uint32_t kId = 1, kName = 3;
}

std::pair<std::string, std::string> ParsePair(pbf_reader message) {
  std::pair<std::string, std::string> pair;
  while (message.next()) {
    switch (message.tag()) {
      case pair_field::kKey:
        pair.first = message.get_string();
        break;
      case pair_field::kJson:
        pair.second = message.get_string();
        break;
      default:
        message.skip();
    }
  }
  return pair;
}

ArtifactEntry ParseEntry(pbf_reader message) {
  ArtifactEntry entry;
  while (message.next()) {
    switch (message.tag()) {
      case entry_field::kPath:
        entry.path = message.get_string();
        break;
      case entry_field::kDigest:
        entry.digest = message.get_string();
        break;
      case entry_field::kRef:
        entry.ref = message.get_string();
        break;
      case entry_field::kSize:
        entry.size = static_cast<uint64_t>(message.get_int64());
        break;
      case entry_field::kLocalPath:
        entry.local_path = message.get_string();
        break;
      case entry_field::kBirth:
        entry.birth_artifact_id = message.get_string();
        break;
      case entry_field::kSkipCache:
        entry.skip_cache = message.get_bool();
        break;
      case entry_field::kExtra:
        entry.extra.push_back(ParsePair(message.get_message()));
        break;
      default:
        message.skip();
    }
  }
  return entry;
}

void ParseManifest(pbf_reader message, ArtifactRecord& artifact) {
  while (message.next()) {
    switch (message.tag()) {
      case manifest_field::kPolicy:
        artifact.storage_policy = message.get_string();
        break;
      case manifest_field::kPolicyConfig:
        artifact.policy_config.push_back(ParsePair(message.get_message()));
        break;
      case manifest_field::kContents:
        artifact.entries.push_back(ParseEntry(message.get_message()));
        break;
      case manifest_field::kFile:
        artifact.manifest_file = message.get_string();
        break;
      default:
        message.skip();
    }
  }
}

// The record's fields that are one text each.
std::string* TextOf(ArtifactRecord& artifact, uint32_t field) {
  switch (field) {
    case artifact_field::kType:
      return &artifact.type;
    case artifact_field::kName:
      return &artifact.name;
    case artifact_field::kDigest:
      return &artifact.digest;
    case artifact_field::kDescription:
      return &artifact.description;
    case artifact_field::kMetadata:
      return &artifact.metadata;
    case artifact_field::kDistributedId:
      return &artifact.distributed_id;
    case artifact_field::kClientId:
      return &artifact.client_id;
    case artifact_field::kSequenceClientId:
      return &artifact.sequence_client_id;
    case artifact_field::kBaseId:
      return &artifact.base_id;
    case artifact_field::kDigestAlgorithm:
      return &artifact.digest_algorithm;
    default:
      return nullptr;
  }
}

void ParseField(pbf_reader& message, ArtifactRecord& artifact) {
  if (std::string* text = TextOf(artifact, message.tag())) {
    *text = message.get_string();
    return;
  }
  switch (message.tag()) {
    case artifact_field::kUserCreated:
      artifact.user_created = message.get_bool();
      break;
    case artifact_field::kUseAfterCommit:
      artifact.use_after_commit = message.get_bool();
      break;
    case artifact_field::kFinalize:
      artifact.finalize = message.get_bool();
      break;
    case artifact_field::kIncremental:
      artifact.incremental = message.get_bool();
      break;
    case artifact_field::kAliases:
      artifact.aliases.push_back(message.get_string());
      break;
    case artifact_field::kTags:
      artifact.tags.push_back(message.get_string());
      break;
    case artifact_field::kTtl:
      artifact.ttl_seconds = message.get_int64();
      break;
    case artifact_field::kManifest:
      ParseManifest(message.get_message(), artifact);
      break;
    default:
      message.skip();
  }
}

}  // namespace

std::optional<ArtifactRecord> ParseArtifact(std::string_view record) {
  ArtifactRecord artifact;
  try {
    pbf_reader message(record.data(), record.size());
    while (message.next()) ParseField(message, artifact);
  } catch (const std::exception&) {
    return std::nullopt;  // protozero: these bytes are no message
  }
  return artifact;
}

std::optional<UsedArtifact> ParseUsedArtifact(std::string_view record) {
  UsedArtifact used;
  try {
    pbf_reader message(record.data(), record.size());
    while (message.next()) {
      switch (message.tag()) {
        case used_field::kId:
          used.id = message.get_string();
          break;
        case used_field::kName:
          used.name = message.get_string();
          break;
        default:
          message.skip();
      }
    }
  } catch (const std::exception&) {
    return std::nullopt;
  }
  return used;
}

}  // namespace flarebridge::wandb
