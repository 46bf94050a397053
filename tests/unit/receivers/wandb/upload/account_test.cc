#include "receivers/wandb/upload/account.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>

#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

using flarebridge::testing::TempFolder;

Environment Of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST_CASE("without more than a key, W&B's own server is meant") {
  const Account account = FindAccount(Of({{"WANDB_API_KEY", "key"}})).value();
  CHECK(account.base_url == "https://api.wandb.ai");
  CHECK(account.key == "key");
  CHECK(account.ca_file.empty());
  CHECK(account.timeout == 180);
}

TEST_CASE("the environment's settings are taken over") {
  const Account account = FindAccount(Of({{"WANDB_API_KEY", "key"},
                                          {"WANDB_BASE_URL", "https://wandb.example//"},
                                          {"SSL_CERT_FILE", "/ca.pem"},
                                          {"HTTPS_PROXY", "http://proxy:1"},
                                          {"https_proxy", "http://proxy:2"},
                                          {"WANDB_HTTP_PROXY", "http://proxy:3"},
                                          {"WANDB_USER_EMAIL", "a@example.com"},
                                          {"WANDB_HTTP_TIMEOUT", "30"}}))
                              .value();
  CHECK(account.base_url == "https://wandb.example");
  CHECK(account.ca_file == "/ca.pem");
  CHECK(account.https_proxy == "http://proxy:2");
  CHECK(account.http_proxy == "http://proxy:3");
  CHECK(account.email == "a@example.com");
  CHECK(account.timeout == 30);
}

TEST_CASE("what makes no sense is told with its name") {
  for (const auto& [name, value] :
       std::map<std::string, std::string>{{"WANDB_BASE_URL", "wandb.example"},
                                          {"WANDB_API_KEY", "two words"},
                                          {"WANDB_HTTP_TIMEOUT", "0"},
                                          {"WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS", "1e99"},
                                          {"WANDB_USER_EMAIL", "a\r\nX: y"},
                                          {"WANDB_INSECURE_DISABLE_SSL", "1"}}) {
    std::map<std::string, std::string> variables = {{"WANDB_API_KEY", "key"}};
    variables[name] = value;
    const Expected<Account> account = FindAccount(Of(variables));
    REQUIRE_FALSE(account.has_value());
    CHECK(account.error().code == ErrorCode::kConfig);
    CHECK(account.error().message.find("two words") == std::string::npos);
  }
}

TEST_CASE("the key of the server's host is found in a netrc file") {
  const std::string netrc =
      "# machine api.wandb.ai login x password comment\n"
      "machine other login user password theirs\n"
      "machine api.wandb.ai\n  login user\n  password ours\n";
  CHECK(PasswordIn(netrc, "api.wandb.ai") == "ours");
  CHECK(PasswordIn(netrc, "other") == "theirs");
  CHECK_FALSE(PasswordIn(netrc, "third").has_value());
  CHECK(PasswordIn(netrc + "default login x password all", "third") == "all");
  CHECK_FALSE(PasswordIn("machine api.wandb.ai login user password", "api.wandb.ai").has_value());

  const TempFolder temp;
  std::ofstream(temp.path() / ".netrc") << netrc;
  CHECK(FindAccount(Of({{"HOME", temp.path().string()}})).value().key == "ours");
  CHECK(FindAccount(Of({{"HOME", "/nowhere"}, {"NETRC", (temp.path() / ".netrc").string()}}))
            .value()
            .key == "ours");
  const Expected<Account> none = FindAccount(Of({{"HOME", "/nowhere"}}));
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message.find("no API key for api.wandb.ai") == 0);
}

}  // namespace
}  // namespace flarebridge::wandb
