// Which artifacts go next, as far as no server has a say in it.
#include "receivers/wandb/upload/artifact_uploads.h"

#include <doctest/doctest.h>

#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_writer;
using Time = ArtifactUploads::Time;

constexpr uint32_t kArtifact = 8, kUse = 25;

// One without files, whose digest is that of none.
std::string Record(const std::string& name, const std::string& client, std::string ref = {}) {
  std::string manifest;
  ArtifactEntry entry;
  if (!ref.empty()) {
    entry.path = "x";
    entry.digest = entry.ref = ref;
    std::string bytes;
    pbf_writer writer(bytes);
    writer.add_string(1, entry.path);
    writer.add_string(2, entry.digest);
    writer.add_string(3, entry.ref);
    pbf_writer(manifest).add_message(4, bytes);
  }
  std::string record;
  pbf_writer writer(record);
  writer.add_string(4, "dataset");
  writer.add_string(5, name);
  writer.add_string(6, ManifestDigest(ref.empty() ? std::vector<ArtifactEntry>{}
                                                  : std::vector<ArtifactEntry>{entry}));
  writer.add_message(12, manifest);
  writer.add_string(15, client);
  return record;
}

struct Bench {
  size_t Sent() {
    size_t sent = 0;
    for (; uploads.DueAt(); ++sent) REQUIRE(uploads.Send(account, {"e", "p", "r"}, Time{}));
    return sent;
  }
  Account account;
  UploadState state;
  ArtifactUploads uploads{"/nowhere", state};
};

TEST_CASE("versions of one name go one after the other, and names beside each other") {
  Bench bench;
  bench.uploads.Take(kArtifact, Record("a", "1"));
  bench.uploads.Take(kArtifact, Record("a", "2"));
  bench.uploads.Take(kArtifact, Record("b", "3"));
  CHECK(bench.Sent() == 2);
  CHECK_FALSE(bench.uploads.idle());
}

TEST_CASE("of many artifacts a few go at once") {
  Bench bench;
  for (int i = 0; i < 20; ++i)
    bench.uploads.Take(kArtifact, Record("a" + std::to_string(i), std::to_string(i)));
  CHECK(bench.Sent() == 4);
}

TEST_CASE("what is there, and what was taken already, is not taken again") {
  Bench bench;
  const std::string record = Record("a", "1");
  bench.state.artifacts.insert(ArtifactKey(*ParseArtifact(record)));
  bench.uploads.Take(kArtifact, record);
  CHECK(bench.uploads.idle());
  bench.uploads.Take(kArtifact, Record("b", "2"));
  bench.uploads.Restart();  // the log is read anew
  bench.uploads.Take(kArtifact, Record("b", "2"));
  CHECK(bench.Sent() == 1);
}

TEST_CASE("an artifact that refers to one of the log waits for those before it") {
  Bench bench;
  bench.uploads.Take(kArtifact, Record("a", "1"));
  bench.uploads.Take(kArtifact, Record("b", "2", "wandb-client-artifact://1/x"));
  CHECK(bench.Sent() == 1);
}

TEST_CASE("what is no artifact is named, and holds nothing up") {
  Bench bench;
  bench.uploads.Take(kArtifact, "\x22\x7f");
  bench.uploads.Take(kArtifact, Record("", "1"));
  bench.uploads.Take(kArtifact, Record("a", ""));
  std::string xxh = Record("b", "2");
  pbf_writer(xxh).add_string(20, "MANIFEST_XXH128");
  bench.uploads.Take(kArtifact, xxh);
  std::string other = Record("c", "3");
  pbf_writer(other).add_string(6, "00000000000000000000000000000000");
  bench.uploads.Take(kArtifact, other);
  CHECK(bench.uploads.idle());
  const std::string lacks = "its record lacks its name, its type or its client's id";
  CHECK(bench.uploads.missing() ==
        std::vector<std::string>{
            "an artifact: its record can't be read", "the artifact : " + lacks,
            "the artifact a: " + lacks,
            "the artifact b: its files are known by MANIFEST_XXH128, which is not read here",
            "the artifact c: its record is damaged: its digest is that of other files"});
}

TEST_CASE("an artifact that is used is told once, and one without the server's id never") {
  Bench bench;
  std::string used;
  pbf_writer(used).add_string(1, "id-1");
  bench.uploads.Take(kUse, used);
  bench.uploads.Take(kUse, used);
  bench.uploads.Take(kUse, "");
  CHECK(bench.Sent() == 1);
}

TEST_CASE("records that find no room are taken when the log is read anew") {
  Bench bench;
  const std::string large(40 << 20, 'x');
  for (const char* client : {"1", "2", "3"}) {
    std::string record = Record("a", client);
    pbf_writer(record).add_string(7, large);  // the description
    bench.uploads.Take(kArtifact, record);
  }
  CHECK(bench.uploads.held_back());
  bench.uploads.Restart();
  CHECK_FALSE(bench.uploads.held_back());
}

}  // namespace
}  // namespace flarebridge::wandb
