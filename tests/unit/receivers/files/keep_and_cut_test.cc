#include "receivers/files/keep_and_cut.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

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

TEST_CASE("a file that is not there can't be cut, and nothing is made") {
  const testing::TempFolder temp;
  CHECK_FALSE(KeepAndCut(temp.path() / "log", 0).has_value());
  CHECK(fs::is_empty(temp.path()));
}

}  // namespace
}  // namespace flarebridge
