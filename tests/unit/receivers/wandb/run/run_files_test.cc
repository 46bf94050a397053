#include "receivers/wandb/run/run_files.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "events/names.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("outside text can't leave files/") {
  CHECK(SafeRelativePath("a/b.txt") == "a/b.txt");
  CHECK(SafeRelativePath("../../etc/passwd") == "_/_/etc/passwd");
  CHECK(SafeRelativePath("/etc/passwd") == "_/etc/passwd");
  CHECK(SafeRelativePath("a\\..\\b") == "a/_/b");
  CHECK(SafeRelativePath("").string() == "_");
  CHECK(SafeRelativePath("a\nb") == "a_b");
  CHECK(SafeRelativePath(std::string(5000, 'x')).string().size() == 200);
}

TEST_CASE("a suffix is never cut off, however long or deep the name before it is") {
  const std::string suffix = "_7_0123456789abcdef0123.png";
  CHECK(SafeRelativePath("a/b", suffix) == "a/b" + suffix);
  CHECK(SafeRelativePath("", suffix) == suffix);
  CHECK(SafeRelativePath("a/", suffix) == "a/" + suffix);
  const std::string wide = SafeRelativePath(std::string(5000, 'x'), suffix).string();
  CHECK(wide == std::string(200 - suffix.size(), 'x') + suffix);
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "d/";
  CHECK(SafeRelativePath(deep + "image", suffix).string().ends_with("d" + suffix));
  CHECK(SafeRelativePath(deep + "image").string() == deep.substr(0, 31));
}

TEST_CASE("a name is cut between characters") {
  for (size_t before = 0; before < 4; ++before) {
    std::string name(before, 'x');
    while (name.size() < 300) name += "\xf0\x9f\x99\x82";  // four bytes each
    const std::string cut = SafeRelativePath(name).string();
    CHECK(IsUtf8(cut));
    CHECK(cut.size() > 196);
    CHECK(cut.size() <= 200);
  }
}

TEST_CASE("a file is written with its folders, and again with new content") {
  const TempFolder temp;
  const fs::path file = temp.path() / "a" / "b.txt";
  CHECK(WriteRunFile(temp.path(), "a/b.txt", "first content").value());
  CHECK(WriteRunFile(temp.path(), "a/b.txt", "second").value());
  std::ifstream stream(file);
  CHECK(std::string(std::istreambuf_iterator<char>(stream), {}) == "second");
}

TEST_CASE("a path that no file can have is told apart from a disk that has no room") {
  const TempFolder temp;
  CHECK(WriteRunFile(temp.path(), "a", "x").value());
  CHECK_FALSE(WriteRunFile(temp.path(), "a/b", "x").value());
  CHECK_FALSE(WriteRunFile(temp.path(), ".", "x").value());
  CHECK_FALSE(WriteRunFile(temp.path(), std::string(300, 'x'), "x").value());
  const Expected<bool> elsewhere = WriteRunFile("/proc/nowhere", "a/b", "x");
  REQUIRE_FALSE(elsewhere.has_value());
  CHECK(elsewhere.error().code == ErrorCode::kIo);
  CHECK(elsewhere.error().message.find("/proc/nowhere") != std::string::npos);
}

}  // namespace
}  // namespace flarebridge::wandb
