#include "bridge/link/curve_keys.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

mode_t ModeOf(const fs::path& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

TEST_CASE("a pair is made with safe modes, read again, and never overwritten") {
  const TempFolder temp;
  const fs::path name = temp.path() / "bridge";
  const CurveKeys made = MakeKeyFiles(name).value();
  CHECK(made.public_key.size() == 40);
  CHECK(ModeOf(name.string() + ".key_secret") == 0600);
  CHECK(ModeOf(name.string() + ".key") == 0644);
  const CurveKeys secret = ReadKeyFile(name.string() + ".key_secret").value();
  CHECK(secret.public_key == made.public_key);
  CHECK(secret.secret_key == made.secret_key);
  const CurveKeys open = ReadKeyFile(name.string() + ".key").value();
  CHECK(open.public_key == made.public_key);
  CHECK(open.secret_key.empty());
  CHECK_FALSE(MakeKeyFiles(name).has_value());
  CHECK(ReadKeyFile(name.string() + ".key_secret").value().secret_key == made.secret_key);
}

TEST_CASE("a secret that others may read is refused") {
  const TempFolder temp;
  REQUIRE(MakeKeyFiles(temp.path() / "a").has_value());
  const fs::path secret = temp.path() / "a.key_secret";
  fs::permissions(secret, fs::perms::group_read, fs::perm_options::add);
  const Expected<CurveKeys> read = ReadKeyFile(secret);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == ErrorCode::kConfig);
}

TEST_CASE(
    "a secret among a service's credentials may show its group's right to read, and no more") {
  const TempFolder temp;
  const fs::path credentials = temp.path() / "credentials";
  fs::create_directories(credentials);
  REQUIRE(MakeKeyFiles(temp.path() / "a").has_value());
  const fs::path outside = temp.path() / "a.key_secret", inside = credentials / "a.key_secret";
  fs::copy_file(outside, inside);
  for (const fs::path& file : {outside, inside}) REQUIRE(chmod(file.c_str(), 0440) == 0);
  CHECK(ReadKeyFile(inside, credentials).has_value());
  CHECK_FALSE(ReadKeyFile(inside, "").has_value());
  CHECK_FALSE(ReadKeyFile(inside, temp.path() / "none").has_value());
  CHECK_FALSE(ReadKeyFile(outside, credentials).has_value());
  CHECK_FALSE(ReadKeyFile(credentials / ".." / "a.key_secret", credentials).has_value());
  for (const mode_t mode : {0460U, 0444U, 0640U, 0450U}) {
    REQUIRE(chmod(inside.c_str(), mode) == 0);
    // What the owner alone may do is nobody else's.
    CHECK(ReadKeyFile(inside, credentials).has_value() == (mode == 0640));
  }
}

TEST_CASE("what holds no keys is told") {
  const TempFolder temp;
  for (const char* text : {"", "public-key = \"short\"", "public-key = \"\\\\\\\\\\\\\\\\\\\\\"",
                           "curve\n    public-key\n"}) {
    std::ofstream(temp.path() / "x.key") << text;
    CHECK_FALSE(ReadKeyFile(temp.path() / "x.key").has_value());
  }
  CHECK_FALSE(ReadKeyFile(temp.path() / "none.key").has_value());
}

TEST_CASE("the allow-list names each client by its file") {
  const TempFolder temp;
  CHECK_FALSE(ReadAllowList(temp.path()).has_value());
  CHECK_FALSE(ReadAllowList(temp.path() / "none").has_value());
  const CurveKeys ann = MakeKeyFiles(temp.path() / "ann").value();
  const CurveKeys bob = MakeKeyFiles(temp.path() / "bob").value();
  const std::map<std::string, std::string> expected = {{ann.public_key, "ann"},
                                                       {bob.public_key, "bob"}};
  CHECK(ReadAllowList(temp.path()).value() == expected);
  fs::copy_file(temp.path() / "ann.key", temp.path() / "eve.key");
  CHECK_FALSE(ReadAllowList(temp.path()).has_value());
}

}  // namespace
}  // namespace flarebridge
