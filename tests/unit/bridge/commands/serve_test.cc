#include "bridge/commands/serve.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "bridge/link/curve_keys.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;

ServeArguments In(const TempFolder& temp) {
  ServeArguments arguments;
  arguments.state = (temp.path() / "state").string();
  arguments.endpoint = "ipc:///somewhere/link";
  return arguments;
}

TEST_CASE("the state folder is made, and its path is absolute") {
  const TempFolder temp;
  ServeArguments arguments = In(temp);
  arguments.state = (temp.path() / "a" / ".." / "state").string();
  const ServeOptions options = CheckServe(arguments).value();
  CHECK(options.state == fs::canonical(temp.path() / "state").string());
  CHECK(options.limits.clients_folder == options.state + "/runs");
}

TEST_CASE("a state folder that can't be made is an error that names it") {
  const TempFolder temp;
  ServeArguments arguments = In(temp);
  arguments.state = "/proc/nowhere";
  const Expected<ServeOptions> options = CheckServe(arguments);
  REQUIRE_FALSE(options.has_value());
  CHECK(options.error().message.find("--state /proc/nowhere") != std::string::npos);
}

TEST_CASE("only an own bridge goes without an endpoint") {
  const TempFolder temp;
  ServeArguments arguments = In(temp);
  arguments.endpoint.clear();
  CHECK(CheckServe(arguments).error().code == ErrorCode::kConfig);
  CHECK_FALSE(fs::exists(arguments.state));  // nothing is taken before it makes sense
  arguments.own = true;
  CHECK(CheckServe(arguments).has_value());
}

TEST_CASE("a key needs its clients, and clients a key") {
  const TempFolder temp;
  for (const bool key : {true, false}) {
    ServeArguments arguments = In(temp);
    (key ? arguments.key : arguments.clients) = "somewhere";
    CHECK(CheckServe(arguments).error().code == ErrorCode::kConfig);
  }
}

TEST_CASE("the bridge's key is its secret one: the public file is refused with words") {
  const TempFolder temp;
  const std::string name = (temp.path() / "bridge").string();
  REQUIRE(MakeKeyFiles(name).has_value());
  fs::create_directory(temp.path() / "clients");
  fs::copy_file(name + ".key", temp.path() / "clients" / "a.key");
  ServeArguments arguments = In(temp);
  arguments.clients = (temp.path() / "clients").string();
  arguments.key = name + ".key";
  const Expected<ServeOptions> refused = CheckServe(arguments);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find(".key_secret") != std::string::npos);
  arguments.key = name + ".key_secret";
  const Expected<ServeOptions> taken = CheckServe(arguments);
  REQUIRE(taken.has_value());
  CHECK(taken->security.keys.has_value());
  CHECK(taken->security.clients.size() == 1);
}

TEST_CASE("numbers become times and bytes") {
  const TempFolder temp;
  ServeArguments arguments = In(temp);
  arguments.finish_timeout = 7;
  arguments.journal_mib = 3;
  arguments.max_runs = 5;
  const ServeOptions options = CheckServe(arguments).value();
  CHECK(options.finish_timeout == std::chrono::seconds(7));
  CHECK(options.limits.journal_bytes == 3u << 20);
  CHECK(options.limits.runs == 5);
}

}  // namespace
}  // namespace flarebridge
