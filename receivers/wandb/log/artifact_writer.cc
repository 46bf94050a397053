#include "receivers/wandb/log/artifact_writer.h"

#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/log/record_fields.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_writer;

void AddManifest(const WrittenArtifact& artifact, pbf_writer& message) {
  using namespace artifact_field;
  pbf_writer manifest(message, kManifest);
  manifest.add_int32(kManifestVersion, 1);
  manifest.add_string(kPolicy, "wandb-storage-policy-v1");
  {
    pbf_writer config(manifest, kPolicyConfig);
    config.add_string(kConfigKey, "storageLayout");
    config.add_string(kConfigJson, "\"V2\"");
  }
  for (const WrittenArtifact::File& file : artifact.files) {
    pbf_writer entry(manifest, kContents);
    entry.add_string(kEntryPath, file.path);
    entry.add_string(kEntryDigest, file.digest);
    if (file.size > 0) entry.add_int64(kEntrySize, static_cast<int64_t>(file.size));
    entry.add_string(kEntryLocalPath, file.local_path);
  }
}

}  // namespace

void AppendArtifact(int64_t number, const WrittenArtifact& artifact, std::string& out) {
  using namespace artifact_field;
  pbf_writer record(out);
  record.add_int64(kNum, number);
  pbf_writer message(record, kArtifact);
  message.add_string(kRunId, artifact.run_id);
  if (!artifact.project.empty()) message.add_string(kProject, artifact.project);
  if (!artifact.entity.empty()) message.add_string(kEntity, artifact.entity);
  message.add_string(kType, artifact.type);
  message.add_string(kName, artifact.name);
  message.add_string(kDigest, artifact.digest);
  message.add_string(kAliases, "latest");
  AddManifest(artifact, message);
  message.add_bool(kFinalize, true);
  message.add_string(kClientId, artifact.client_id);
  message.add_string(kSequenceClientId, artifact.sequence_client_id);
  message.add_string(kDigestAlgorithm, "MANIFEST_MD5");
}

}  // namespace flarebridge::wandb
