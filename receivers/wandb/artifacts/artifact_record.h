// An artifact as a run log holds it: what it is called and described by, and its manifest, whose
// entries name files and where their content lies. Written by W&B's client in offline runs, read by
// uploads. Bytes may be hostile: what is no such record is nothing. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flarebridge::wandb {

struct ArtifactEntry {
  std::string path;        // in the artifact
  std::string digest;      // of a file its MD5 in base64; of a reference what its place gives
  std::string ref;         // a reference's URL; empty: it is a file
  std::string local_path;  // where its content lies; empty: the server has it, of an older version
  std::string birth_artifact_id;  // of that
  uint64_t size = 0;
  bool skip_cache = false;
  std::vector<std::pair<std::string, std::string>> extra;  // names and their JSON
};

struct ArtifactRecord {
  std::string type, name, digest, description, metadata;
  std::string digest_algorithm;  // empty: an older client's, MANIFEST_MD5
  std::string client_id, sequence_client_id, distributed_id, base_id;
  std::vector<std::string> aliases, tags;
  int64_t ttl_seconds = 0;  // 0: none is given
  bool user_created = false, finalize = false, use_after_commit = false, incremental = false;

  std::string storage_policy;
  std::vector<std::pair<std::string, std::string>> policy_config;  // names and their JSON
  std::vector<ArtifactEntry> entries;
  std::string manifest_file;  // has the entries in place of the record; empty: none has
};
// `record`: bytes of an ArtifactRecord. Nothing: they are none.
std::optional<ArtifactRecord> ParseArtifact(std::string_view record);

// That a run uses an artifact.
struct UsedArtifact {
  std::string id, name;  // the server's id; "collection:alias"
};
std::optional<UsedArtifact> ParseUsedArtifact(std::string_view record);

// The manifest's digest as W&B computes it (MANIFEST_MD5): from each file's path and digest.
std::string ManifestDigest(const std::vector<ArtifactEntry>& entries);
// The manifest as the server wants it, without paths of this machine. `births`: the ids of the
// artifacts with which contents came there first, by path.
std::string ManifestJson(const ArtifactRecord& artifact,
                         const std::map<std::string, std::string>& births);

}  // namespace flarebridge::wandb
