#include "receivers/wandb/upload/artifact_content.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "receivers/files/open_file.h"
#include "receivers/wandb/artifacts/md5.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

void Write(const fs::path& file, const std::string& content) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << content;
}

ArtifactEntry Entry(const fs::path& place, const std::string& content) {
  ArtifactEntry entry;
  entry.path = "a";
  entry.digest = Base64Of(Md5Of(content));
  entry.local_path = place;
  entry.size = content.size();
  return entry;
}

std::string Opened(const fs::path& folder, const ArtifactEntry& entry) {
  const Expected<UniqueFd> file = OpenContent(folder, entry);
  return file ? *ReadWhole(file->get(), 100) : file.error().message;
}

TEST_CASE("content is found below the run's folder, where it was, or from where it was logged") {
  const testing::TempFolder temp;
  const fs::path folder = temp.path() / "wandb" / "offline-run-1-a";
  fs::create_directories(folder);
  Write(temp.path() / "staged", "staged");
  CHECK(Opened(folder, Entry(temp.path() / "staged", "staged")) == "staged");
  Write(temp.path() / "near", "near");
  CHECK(Opened(folder, Entry("near", "near")) == "near");
  Write(folder / "artifacts" / HexOf(Md5Of("own")), "own");
  CHECK(Opened(folder, Entry("/nowhere/at/all", "own")) == "own");
}

TEST_CASE("content that is not there, has another size or is no file is told") {
  const testing::TempFolder temp;
  const fs::path place = temp.path() / "content";
  const ArtifactEntry entry = Entry(place, "content");
  CHECK(Opened(temp.path(), entry).starts_with(place.string() + " "));
  Write(place, "longer content");
  CHECK(Opened(temp.path(), entry) ==
        place.string() + " has 14 bytes, and had 7 when it was logged");
  fs::remove(place);
  REQUIRE(mkfifo(place.c_str(), 0600) == 0);  // opening it would wait
  CHECK(Opened(temp.path(), entry) == place.string() + " is no file");
}

TEST_CASE("parts have 100 MiB, and more where there would be above 10,000 of them") {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  CHECK(PartBytes(kPartsFrom) == 100 * kMiB);
  CHECK(PartBytes(10'000 * 100 * kMiB) == 100 * kMiB);
  const uint64_t size = uint64_t{5} << 40;  // the largest object of a storage
  CHECK(PartBytes(size) % 4096 == 0);
  CHECK((size + PartBytes(size) - 1) / PartBytes(size) <= 10'000);
}

TEST_CASE("a file is summed up whole and part by part") {
  const testing::TempFolder temp;
  const std::string content(700'000, 'x');
  Write(temp.path() / "f", content);
  const Expected<UniqueFd> file = OpenToRead(temp.path() / "f");
  REQUIRE(file);
  const auto go_on = [] { return false; };
  const Expected<ContentSums> sums = SumsOf(file->get(), content.size(), 300'000, go_on);
  REQUIRE(sums);
  CHECK(sums->digest == Base64Of(Md5Of(content)));
  const std::string part = HexOf(Md5Of(content.substr(0, 300'000)));
  CHECK(sums->parts ==
        std::vector<std::string>{part, part, HexOf(Md5Of(content.substr(0, 100'000)))});
  CHECK(SumsOf(file->get(), 0, 0, go_on)->digest == Base64Of(Md5Of("")));
  CHECK(SumsOf(file->get(), content.size() + 1, 0, go_on).error().message == "has become shorter");
  CHECK(SumsOf(file->get(), 1, 0, [] { return true; }).error().code == ErrorCode::kBusy);
}

}  // namespace
}  // namespace flarebridge::wandb
