#include "receivers/files/durable_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "tests/unit/full_disk.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("a durable file replaces the one before it, and leaves no draft") {
  const TempFolder temp;
  const fs::path path = temp.path() / "made" / "x";
  REQUIRE(WriteDurably(path, "first").has_value());
  REQUIRE(WriteDurably(path, "second").has_value());
  CHECK(ReadWhole(path, 100).value() == "second");
  CHECK(InfoOf(path)->rights == 0600);
  CHECK(std::distance(fs::directory_iterator(path.parent_path()), {}) == 1);
}

TEST_CASE("a durable file that can't be written leaves the one before it") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  REQUIRE(WriteDurably(path, "first").has_value());
  fs::create_directory(path.string() + ".new");
  CHECK_FALSE(WriteDurably(path, "second").has_value());
  CHECK(ReadWhole(path, 100).value() == "first");
  CHECK_FALSE(WriteDurably("/proc/nowhere/x", "y").has_value());
}

TEST_CASE("a file like another one has its rights and owner, whatever the mask") {
  const TempFolder temp;
  const fs::path model = temp.path() / "model", path = temp.path() / "x";
  REQUIRE(WriteNewDurably(model, "first", 0640).has_value());
  if (geteuid() == 0) REQUIRE(chown(model.c_str(), 12345, 54321) == 0);
  const mode_t mask = umask(0077);
  const Expected<void> made = WriteLike(path, "second", model);
  umask(mask);
  REQUIRE(made.has_value());
  CHECK(ReadWhole(path, 100).value() == "second");
  CHECK(InfoOf(path)->rights == 0640);
  CHECK(InfoOf(path)->owner == InfoOf(model)->owner);
  CHECK_FALSE(WriteLike(path, "third", temp.path() / "missing").has_value());
  CHECK(ReadWhole(path, 100).value() == "second");
}

TEST_CASE("a new file has exactly its mode and is never written over") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  const mode_t mask = umask(0077);
  const Expected<void> made = WriteNewDurably(path, "first", 0644);
  umask(mask);
  REQUIRE(made.has_value());
  CHECK(InfoOf(path)->rights == 0644);
  CHECK_FALSE(WriteNewDurably(path, "second", 0644).has_value());
  CHECK(ReadWhole(path, 100).value() == "first");
}

TEST_CASE("a disk that fills keeps no part of a file: what was there, or nothing") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  REQUIRE(WriteDurably(path, "first").has_value());
  {
    const testing::FullDisk disk(1000);
    CHECK_FALSE(WriteDurably(path, std::string(5000, 'x')).has_value());
    CHECK_FALSE(WriteNewDurably(temp.path() / "new", std::string(5000, 'x'), 0600).has_value());
  }
  CHECK(ReadWhole(path, 100).value() == "first");
  CHECK(std::distance(fs::directory_iterator(temp.path()), {}) == 1);
}

TEST_CASE("a file below a folder has its way made, and goes through no link at its end") {
  const TempFolder temp;
  REQUIRE(WriteBelow(temp.path(), "a/b/c.txt", "first").has_value());
  REQUIRE(WriteBelow(temp.path(), "a/b/c.txt", "2nd").has_value());
  CHECK(ReadWhole(temp.path() / "a/b/c.txt", 100).value() == "2nd");
  const Expected<void> through_file = WriteBelow(temp.path(), "a/b/c.txt/d", "x");
  REQUIRE_FALSE(through_file.has_value());
  CHECK(through_file.error().code == ErrorCode::kInvalidName);
  fs::create_symlink("c.txt", temp.path() / "a/b/link");
  CHECK_FALSE(WriteBelow(temp.path(), "a/b/link", "x").has_value());
  CHECK(ReadWhole(temp.path() / "a/b/c.txt", 100).value() == "2nd");
}

TEST_CASE("a copy is whole, and takes no name that is not free") {
  const TempFolder temp;
  std::ofstream(temp.path() / "x") << std::string(100000, 'x');
  REQUIRE(CopyDurably(temp.path() / "x", temp.path() / "y").has_value());
  CHECK(ReadWhole(temp.path() / "y", 1 << 20).value() == std::string(100000, 'x'));
  CHECK_FALSE(CopyDurably(temp.path() / "x", temp.path() / "y").has_value());
  CHECK_FALSE(CopyDurably(temp.path() / "none", temp.path() / "z").has_value());
}

}  // namespace
}  // namespace flarebridge
