#include "receivers/files/open_file.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("what is written at a place is read there, and no more than there is") {
  const TempFolder temp;
  const UniqueFd file = CreateFile(temp.path() / "x", 0600, Existing::kKeep).value();
  REQUIRE(WriteAt(file.get(), 0, "0123456789").has_value());
  REQUIRE(WriteAt(file.get(), 8, "abc").has_value());
  std::string bytes(20, '-');
  CHECK(ReadAt(file.get(), 5, bytes.data(), bytes.size()).value() == 6);
  CHECK(bytes.substr(0, 7) == "567abc-");
  CHECK(ReadAt(file.get(), 11, bytes.data(), bytes.size()).value() == 0);
  REQUIRE(CutFile(file.get(), 2).has_value());
  CHECK(PersistFile(file.get()).has_value());
  CHECK(PersistContent(file.get()).has_value());
  CHECK(ReadWhole(temp.path() / "x", 100).value() == "01");
}

TEST_CASE("what has the name already is kept, emptied or refused, as asked for") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  const auto content = [&] { return ReadWhole(path, 100).value(); };
  std::ofstream(path) << "old";
  CHECK(CreateFile(path, 0600, Existing::kKeep).has_value());
  CHECK(content() == "old");
  CHECK_FALSE(CreateFile(path, 0600, Existing::kRefuse).has_value());
  CHECK(content() == "old");
  CHECK(CreateFile(path, 0600, Existing::kEmpty).has_value());
  CHECK(content().empty());
}

TEST_CASE("a link is not followed where a file is made, and the path can never be had") {
  const TempFolder temp;
  fs::create_symlink("elsewhere", temp.path() / "link");
  for (const fs::path& path : {fs::path("link"), fs::path("."), fs::path(std::string(300, 'x')),
                               fs::path("link") / "below"}) {
    const Expected<UniqueFd> file = CreateFile(temp.path() / path, 0600, Existing::kEmpty);
    REQUIRE_FALSE(file.has_value());
    if (path != "link/below") CHECK(file.error().code == ErrorCode::kInvalidName);
  }
  CHECK_FALSE(fs::exists(temp.path() / "elsewhere"));
}

TEST_CASE("a failure begins with the verb and ends with the system's reason") {
  const Expected<UniqueFd> none = OpenToRead("/nowhere/x");
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code == ErrorCode::kIo);
  CHECK(none.error().message == "can't be read: No such file or directory");
  CHECK_FALSE(OpenToChange("/nowhere/x").has_value());
  CHECK_FALSE(PersistFile(-1).has_value());
  CHECK_FALSE(CutFile(-1, 0).has_value());
  char byte = 0;
  CHECK_FALSE(ReadAt(-1, 0, &byte, 1).has_value());
  CHECK_FALSE(WriteAt(-1, 0, "x").has_value());
}

TEST_CASE("a file is read whole up to its limit, and not beyond") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  for (const size_t size : {0U, 1U, 4095U, 4096U, 4097U, 100000U}) {
    std::ofstream(path, std::ios::trunc) << std::string(size, 'x');
    CHECK(ReadWhole(path, size).value().size() == size);
    CHECK(ReadWhole(path, size + 1).value().size() == size);
    if (size == 0) continue;
    const Expected<std::string> more = ReadWhole(path, size - 1);
    REQUIRE_FALSE(more.has_value());
    CHECK(more.error().code == ErrorCode::kTooLarge);
  }
  CHECK_FALSE(ReadWhole(temp.path(), 100).has_value());
  CHECK_FALSE(ReadWhole(temp.path() / "none", 100).has_value());
}

TEST_CASE("a file that tells no size is read to its end") {
  CHECK(ReadWhole("/proc/self/maps", size_t{1} << 24).value().ends_with("\n"));
}

}  // namespace
}  // namespace flarebridge
