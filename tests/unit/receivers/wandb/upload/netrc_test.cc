#include "receivers/wandb/upload/netrc.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

TEST_CASE("the password of a machine is found, with its line") {
  const std::string netrc =
      "# machine api.wandb.ai login x password comment\n"
      "machine other login user password theirs\n"
      "machine api.wandb.ai\n  login user\n  password ours\n";
  CHECK(PasswordIn(netrc, "api.wandb.ai")->password == "ours");
  CHECK(PasswordIn(netrc, "API.wandb.ai")->line == 3);
  CHECK(PasswordIn(netrc, "other")->password == "theirs");
  CHECK_FALSE(PasswordIn(netrc, "third").has_value());
  CHECK(PasswordIn(netrc + "default login x password all", "third")->password == "all");
  CHECK(PasswordIn("default login x password all\n" + netrc, "other")->password == "theirs");
  CHECK_FALSE(PasswordIn("machine api.wandb.ai login user password", "api.wandb.ai").has_value());
}

TEST_CASE("of several entries of a machine the last counts, as Python's netrc has it") {
  CHECK(PasswordIn("machine h password one\nmachine h password two\n", "h")->password == "two");
}

TEST_CASE("words in quotes, escapes, macros, and values that begin like comments are understood") {
  CHECK(PasswordIn("machine \"h:80\" password \"a \\\" b\"", "h:80")->password == "a \" b");
  CHECK(PasswordIn("machine h password #abc", "h")->password == "#abc");
  CHECK(PasswordIn("macdef init\nmachine h password no\n\nmachine h password yes", "h")->password ==
        "yes");
  CHECK(PasswordIn("machine h # machine i password no\n password yes", "h")->password == "yes");
}

TEST_CASE("another password takes the place of the machine's entries, and all else stays") {
  const std::string before = "# mine\nmachine a login x password y\n";
  const std::string behind = "machine b\n\tlogin   z password w # of b\n";
  const std::string entry = "machine h:8080\n  login user\n  password new\n";
  CHECK(WithPassword("", "h:8080", "new") == entry);
  CHECK(WithPassword(before + behind, "h:8080", "new") == before + behind + entry);
  CHECK(WithPassword(before + "machine h:8080 login user password old\n" + behind, "h:8080",
                     "new") == before + behind + entry);
  CHECK(WithPassword(before + entry + behind + entry, "h:8080", "new") == before + behind + entry);
  CHECK(WithPassword("machine a password b", "h:8080", "new") == "machine a password b\n" + entry);
}

TEST_CASE("a new entry comes before `default`, which ends the search of other readers") {
  const std::string rest = "default login anonymous password guest\n";
  const std::string netrc = WithPassword("machine a password b\n" + rest, "h", "new");
  CHECK(netrc == "machine a password b\nmachine h\n  login user\n  password new\n" + rest);
  CHECK(PasswordIn(netrc, "h")->password == "new");
  CHECK(PasswordIn(netrc, "other")->password == "guest");
}

TEST_CASE("a comment between two entries belongs to neither") {
  CHECK(WithPassword("machine h password old\n# of i\nmachine i password j\n", "h", "new") ==
        "# of i\nmachine i password j\nmachine h\n  login user\n  password new\n");
}

}  // namespace
}  // namespace flarebridge::wandb
