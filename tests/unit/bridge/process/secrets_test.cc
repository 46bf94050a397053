#include "bridge/process/secrets.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

namespace flarebridge {
namespace {

TEST_CASE("a variable that is taken is in no environment any more, and its bytes are gone") {
  std::string before = "FLAREBRIDGE_TEST_A=1", taken = "FLAREBRIDGE_TEST_KEY=secret",
              again = "FLAREBRIDGE_TEST_KEY=other", behind = "FLAREBRIDGE_TEST_KEY_2=2";
  const std::string name = "FLAREBRIDGE_TEST_KEY";
  char* variables[] = {before.data(), taken.data(), again.data(), behind.data(), nullptr};
  char** const ours = environ;
  environ = variables;
  const std::string value = TakeFromEnvironment(name);
  const std::string none = TakeFromEnvironment(name);
  const bool kept =
      variables[0] == before.data() && variables[1] == behind.data() && variables[2] == nullptr;
  environ = ours;
  CHECK(value == "secret");
  CHECK(none.empty());
  CHECK(kept);
  CHECK(taken == std::string(taken.size(), 0));
  CHECK(again == std::string(again.size(), 0));
}

}  // namespace
}  // namespace flarebridge
