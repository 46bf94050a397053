// Laws of large files: copied whole or not at all, with their holes, and hashed in pieces.
#include "receivers/files/copy_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "receivers/files/durable_file.h"
#include "receivers/files/open_file.h"
#include "receivers/files/stable_hash.h"
#include "tests/unit/full_disk.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

const OnPiece kNothing = [] {};

TEST_CASE("a copy holds the same bytes, and its hash is that of the whole") {
  const testing::TempFolder temp;
  std::string content;
  for (int i = 0; i < 300'000; ++i) content += static_cast<char>(i * 7 + i / 251);
  for (int i = 0; i < 4; ++i) content += content;  // 4.8 MB
  REQUIRE(WriteDurably(temp.path() / "from", content).has_value());
  const UniqueFd from = OpenToRead(temp.path() / "from").value();
  int pieces = 0;
  CHECK(HexSha256Of(from.get(), content.size(), [&] { ++pieces; }).value() == HexSha256(content));
  CHECK(pieces > 4);
  REQUIRE(CopyBelow(temp.path(), "a/b/to", from.get(), content.size(), kNothing).has_value());
  CHECK(ReadWhole(temp.path() / "a/b/to", content.size()).value() == content);
  CHECK(CopyBelow(temp.path(), "empty", from.get(), 0, kNothing).has_value());
  CHECK(fs::file_size(temp.path() / "empty") == 0);
}

TEST_CASE("holes stay holes") {
  const testing::TempFolder temp;
  constexpr uint64_t kSize = uint64_t{300} << 20;
  const fs::path path = temp.path() / "from";
  {
    const UniqueFd file = CreateFile(path, 0600, Existing::kEmpty).value();
    REQUIRE(WriteAt(file.get(), uint64_t{100} << 20, "middle").has_value());
    REQUIRE(CutFile(file.get(), kSize).has_value());
  }
  const UniqueFd from = OpenToRead(path).value();
  REQUIRE(CopyBelow(temp.path(), "to", from.get(), kSize, kNothing).has_value());
  struct stat is {};
  REQUIRE(stat((temp.path() / "to").c_str(), &is) == 0);
  CHECK(is.st_size == kSize);
  CHECK(is.st_blocks * 512 < (1 << 20));
  const UniqueFd to = OpenToRead(temp.path() / "to").value();
  CHECK(ReadRange(to.get(), uint64_t{100} << 20, (uint64_t{100} << 20) + 7).value() ==
        std::string("middle\0", 7));
}

TEST_CASE("of a disk that is full nothing is left, and what was there stays") {
  const testing::TempFolder temp;
  REQUIRE(WriteDurably(temp.path() / "from", std::string(3 << 20, 'x')).has_value());
  REQUIRE(WriteDurably(temp.path() / "to", "before").has_value());
  const UniqueFd from = OpenToRead(temp.path() / "from").value();
  {
    const testing::FullDisk full(1 << 20);
    CHECK_FALSE(CopyBelow(temp.path(), "to", from.get(), 3 << 20, kNothing).has_value());
  }
  CHECK(ReadWhole(temp.path() / "to", 100).value() == "before");
  CHECK_FALSE(fs::exists(temp.path() / ".to.part"));
}

}  // namespace
}  // namespace flarebridge
