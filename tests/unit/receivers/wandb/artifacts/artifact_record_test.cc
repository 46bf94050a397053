#include "receivers/wandb/artifacts/artifact_record.h"

#include <doctest/doctest.h>

#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_writer;

std::string Pair(const std::string& key, const std::string& json) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(1, key);
  writer.add_string(2, json);
  return bytes;
}

std::string Entry(const std::string& path, const std::string& digest, const std::string& ref,
                  int64_t size, const std::string& local_path) {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(1, path);
  writer.add_string(2, digest);
  if (!ref.empty()) writer.add_string(3, ref);
  if (size > 0) writer.add_int64(4, size);
  if (!local_path.empty()) writer.add_string(6, local_path);
  if (!ref.empty()) writer.add_message(16, Pair("etag", "\"x\""));
  return bytes;
}

std::string Record() {
  std::string manifest;
  {
    pbf_writer writer(manifest);
    writer.add_int32(1, 1);
    writer.add_string(2, "wandb-storage-policy-v1");
    writer.add_message(3, Pair("storageLayout", "\"V2\""));
    writer.add_message(4, Entry("b", "MmM=", "s3://x/b", 7, ""));
    writer.add_message(4, Entry("a \"é", "MWE=", "", 3, "/elsewhere/a"));
  }
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(4, "dataset");
  writer.add_string(5, "set");
  writer.add_string(8, R"({"deep":1})");
  writer.add_string(11, "latest");
  writer.add_string(11, "best");
  writer.add_message(12, manifest);
  writer.add_bool(14, true);
  writer.add_string(15, "client");
  writer.add_string(19, "tag");
  return bytes;
}

TEST_CASE("a record of an artifact is read whole") {
  const std::optional<ArtifactRecord> artifact = ParseArtifact(Record());
  REQUIRE(artifact);
  CHECK(artifact->type == "dataset");
  CHECK(artifact->name == "set");
  CHECK(artifact->metadata == R"({"deep":1})");
  CHECK(artifact->aliases == std::vector<std::string>{"latest", "best"});
  CHECK(artifact->tags == std::vector<std::string>{"tag"});
  CHECK(artifact->client_id == "client");
  CHECK(artifact->finalize);
  REQUIRE(artifact->entries.size() == 2);
  CHECK(artifact->entries[0].ref == "s3://x/b");
  CHECK(artifact->entries[1].local_path == "/elsewhere/a");
  CHECK(artifact->entries[1].size == 3);
}

TEST_CASE("bytes that are no record of an artifact are none") {
  const std::string record = Record();
  for (size_t size = 1; size < record.size(); ++size) (void)ParseArtifact(record.substr(0, size));
  CHECK_FALSE(ParseArtifact("\x22\x7f"));
  CHECK_FALSE(ParseArtifact("\x20\x01"));  // a number in a text's place
}

TEST_CASE("a manifest's digest is MD5 over its paths in order, and their digests") {
  // md5("wandb-artifact-manifest-v1\n"), as W&B's client gives it of an artifact with nothing in it
  CHECK(ManifestDigest({}) == "64e7c61456b10382e2f3b571ac24b659");
  ArtifactEntry a, b;
  a.path = "a.txt";
  a.digest = "DMF1ucDxtqgxw5niaXcmYQ==";
  b.path = "b/é";
  b.digest = "1B2M2Y8AsgTpgAmY7PhCfg==";
  CHECK(ManifestDigest({b, a}) == ManifestDigest({a, b}));
  CHECK(ManifestDigest({a, b}) == "1ed32fba4f39c92277005fcc0ac28331");
}

TEST_CASE("a manifest tells the server no path of this machine") {
  const std::optional<ArtifactRecord> artifact = ParseArtifact(Record());
  REQUIRE(artifact);
  CHECK(ManifestJson(*artifact, {{"a \"é", "id-1"}}) ==
        R"({"version":1,"storagePolicy":"wandb-storage-policy-v1",)"
        R"("storagePolicyConfig":{"storageLayout":"V2"},"contents":{)"
        R"("b":{"digest":"MmM=","ref":"s3://x/b","size":7,"extra":{"etag":"x"},)"
        R"("skip_cache":false},)"
        R"("a \"é":{"digest":"MWE=","size":3,"birthArtifactID":"id-1","skip_cache":false}}})");
}

TEST_CASE("what a run uses is named by the server's id") {
  std::string bytes;
  pbf_writer writer(bytes);
  writer.add_string(1, "id-1");
  writer.add_string(2, "model");
  writer.add_string(3, "net:latest");
  const std::optional<UsedArtifact> used = ParseUsedArtifact(bytes);
  REQUIRE(used);
  CHECK(used->id == "id-1");
  CHECK(used->name == "net:latest");
  CHECK_FALSE(ParseUsedArtifact("\x08\x01"));
}

}  // namespace
}  // namespace flarebridge::wandb
