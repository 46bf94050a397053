#include "receivers/files/keep_and_cut.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "receivers/files/open_file.h"
#include "tests/unit/full_disk.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

std::string Content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("what is cut is kept beside the file, each time under a name of its own") {
  const testing::TempFolder temp;
  const fs::path file = temp.path() / "log";
  std::ofstream(file, std::ios::binary) << "whole, torn";
  CHECK(KeepAndCut(file, 5).value() == "log.before-repair");
  CHECK(Content(file) == "whole");
  CHECK(Content(temp.path() / "log.before-repair") == "whole, torn");
  CHECK(KeepAndCut(file, 0).value() == "log.before-repair-2");
  CHECK(Content(file).empty());
  CHECK(Content(temp.path() / "log.before-repair-2") == "whole");
}

TEST_CASE("a disk that fills while a file is kept leaves it as it was, and no part of a copy") {
  const testing::TempFolder temp;
  const fs::path file = temp.path() / "log";
  const std::string content = std::string(200'000, 'w') + "torn";
  std::ofstream(file, std::ios::binary) << content;
  const auto short_copy = [](int /*from*/, int to) { return WriteAt(to, 0, "whole"); };
  {
    const testing::FullDisk disk(100'000);
    CHECK_FALSE(KeepAndCut(file, 200'000).has_value());
    CHECK_FALSE(KeepAndReplace(file, short_copy).has_value());
  }
  CHECK(Content(file) == content);
  CHECK(std::distance(fs::directory_iterator(temp.path()), {}) == 1);
  // There is room again.
  CHECK(KeepAndCut(file, 200'000).value() == "log.before-repair");
  CHECK(Content(temp.path() / "log.before-repair") == content);
}

TEST_CASE("a file that is not there can't be cut, and nothing is made") {
  const testing::TempFolder temp;
  CHECK_FALSE(KeepAndCut(temp.path() / "log", 0).has_value());
  CHECK(fs::is_empty(temp.path()));
}

}  // namespace
}  // namespace flarebridge
