#include "bridge/process/program_log.h"

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

using flarebridge::testing::TempFolder;

TEST_CASE("text from outside can't begin a line of its own, nor be obeyed by a terminal") {
  const TempFolder temp;
  const auto log = OpenLog(temp.path().string()).value();
  log->info("session of {}", "x\n2026-01-01 00:00:00.000 1 error: forged\x1b[31m");
  const std::string text = ReadWhole(temp.path() / "bridge.log", 10000).value();
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("info: session of x 2026-01-01") != std::string::npos);
}

TEST_CASE("the log is its owner's alone to read, also after a rotation") {
  const TempFolder temp;
  const mode_t before = umask(022);
  const auto log = OpenLog(temp.path().string()).value();
  for (int i = 0; i < 6; ++i) log->info("{}", std::string(1 << 20, 'x'));
  umask(before);
  for (const char* name : {"bridge.log", "bridge.1.log"})
    CHECK_FALSE(InfoOf(temp.path() / name)->IsOpenToOthers());
}

}  // namespace
}  // namespace flarebridge
