#include "receivers/wandb/upload/account.h"

#include <doctest/doctest.h>
#include <unistd.h>

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

std::string ErrorOf(std::map<std::string, std::string> variables) {
  const Expected<Account> account = FindAccount(Of(std::move(variables)));
  REQUIRE_FALSE(account.has_value());
  CHECK(account.error().code == ErrorCode::kConfig);
  return account.error().message;
}

// A home with files of W&B's client.
struct Home {
  Home() { std::filesystem::create_directories(temp.path() / ".config" / "wandb"); }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(temp.path() / name) << text;
  }
  Environment With(std::map<std::string, std::string> more) const {
    more.emplace("HOME", temp.path().string());
    more.emplace("WANDB_DIR", (temp.path() / "work").string());
    return Of(std::move(more));
  }
  TempFolder temp;
};

TEST_CASE("the key of the server's machine is found in the netrc file, and where is known") {
  const Home home;
  home.Write(".netrc",
             "machine other login user password theirs\n"
             "machine api.wandb.ai\n  login user\n  password ours\n"
             "machine h:8080 login user password with-port\n"
             "machine [::1]:8080 login user password v6\n");
  const Account account = FindAccount(home.With({})).value();
  CHECK(account.key == "ours");
  CHECK(account.key_source == (home.temp.path() / ".netrc").string() + ", line 2");
  CHECK(FindAccount(home.With({{"WANDB_BASE_URL", "http://H:8080/"}})).value().key == "with-port");
  CHECK(FindAccount(home.With({{"WANDB_BASE_URL", "http://[::1]:8080"}})).value().key == "v6");
  // The same server by its other name, as W&B's client has it.
  CHECK(
      FindAccount(home.With({{"WANDB_BASE_URL", "https://api.forge.coreweave.com"}})).value().key ==
      "ours");
  CHECK(FindAccount(Of({{"HOME", "/nowhere"}, {"NETRC", (home.temp.path() / ".netrc").string()}}))
            .value()
            .key == "ours");
}

TEST_CASE("~/_netrc counts where ~/.netrc is not there") {
  const Home home;
  home.Write("_netrc", "machine api.wandb.ai login user password ours");
  CHECK(FindAccount(home.With({})).value().key == "ours");
}

TEST_CASE("without a key, it is told for which server, where was looked, and what helps") {
  const Home home;
  CHECK(ErrorOf({{"HOME", "/nowhere"}}) ==
        "no API key for api.wandb.ai: WANDB_API_KEY is not set, and /nowhere/.netrc is not there; "
        "log in with: flarebridge login");
  const Expected<Account> none = FindAccount(home.With({{"WANDB_BASE_URL", "http://h:8080"}}));
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message.ends_with("flarebridge login --host http://h:8080"));
}

TEST_CASE("an entry without a port is for all ports, unless there is one with it") {
  const Home home;
  home.Write(".netrc", "machine h login user password any\nmachine h:1 login user password one\n");
  CHECK(FindAccount(home.With({{"WANDB_BASE_URL", "http://h:8080"}})).value().key == "any");
  CHECK(FindAccount(home.With({{"WANDB_BASE_URL", "http://h:1"}})).value().key == "one");
}

TEST_CASE("the settings files of W&B's client name server, entity and project") {
  const Home home;
  home.Write(".config/wandb/settings",
             "[default]\nbase_url = http://h:8080\nentity = team\nproject = mine\n");
  home.Write(".netrc", "machine h:8080 login user password ours");
  const Account account = FindAccount(home.With({})).value();
  CHECK(account.base_url == "http://h:8080");
  CHECK(account.server_source.ends_with("/.config/wandb/settings, line 2"));
  CHECK(account.key == "ours");
  CHECK(account.entity == "team");
  CHECK(account.project == "mine");
  std::filesystem::create_directories(home.temp.path() / "work" / "wandb");
  home.Write("work/wandb/settings", "[default]\nproject = here\n");
  CHECK(FindAccount(home.With({})).value().project == "here");
  const Account told = FindAccount(home.With({{"WANDB_BASE_URL", "https://other.example"},
                                              {"WANDB_API_KEY", "k"},
                                              {"WANDB_PROJECT", "told"}}))
                           .value();
  CHECK(told.base_url == "https://other.example");
  CHECK(told.project == "told");
  home.Write(".config/wandb/settings", "[default]\nbase_url\n");
  const Expected<Account> broken = FindAccount(home.With({{"WANDB_API_KEY", "k"}}));
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().message.find("/.config/wandb/settings, line 2: ") != std::string::npos);
}

TEST_CASE("a settings file of another user's does not say where the key goes") {
  if (geteuid() != 0) return;  // only root can give a file away
  const Home home;
  std::filesystem::create_directories(home.temp.path() / "work" / "wandb");
  home.Write("work/wandb/settings", "[default]\nbase_url = http://elsewhere.example\n");
  constexpr uid_t kOther = 12345;
  REQUIRE(chown((home.temp.path() / "work/wandb/settings").c_str(), kOther, kOther) == 0);
  const Account account = FindAccount(home.With({{"WANDB_API_KEY", "k"}})).value();
  CHECK(account.base_url == "https://api.wandb.ai");
  REQUIRE(account.warnings.size() == 1);
  CHECK(
      account.warnings[0].ends_with("/wandb/settings belongs to another user and is not followed"));
}

TEST_CASE("blanks and line ends around a key do not count") {
  CHECK(FindAccount(Of({{"WANDB_API_KEY", " key\n"}})).value().key == "key");
  const Home home;
  home.Write("key", "from-a-file\r\n");
  const Account account =
      FindAccount(home.With({{"WANDB_API_KEY_FILE", (home.temp.path() / "key").string()}})).value();
  CHECK(account.key == "from-a-file");
  CHECK(
      ErrorOf({{"WANDB_API_KEY_FILE", "/nowhere/key"}}).find("WANDB_API_KEY_FILE: /nowhere/key") ==
      0);
}

TEST_CASE("keys of every form are taken: 40 letters, with a prefix, and the long ones") {
  for (const std::string& key : {std::string(40, 'a'), "local-" + std::string(40, 'b'),
                                 "wandb_v1_" + std::string(77, 'c'), std::string("a.b-c.d_e")})
    CHECK(FindAccount(Of({{"WANDB_API_KEY", key}})).value().key == key);
}

TEST_CASE("two things that stand for the key are one too many") {
  const std::string words =
      ErrorOf({{"WANDB_API_KEY", "k"}, {"WANDB_IDENTITY_TOKEN_FILE", "/token"}});
  CHECK(words == "WANDB_API_KEY and WANDB_IDENTITY_TOKEN_FILE are both set; unset one of them");
}

TEST_CASE("a server without encryption is warned of, unless it is this machine") {
  const auto warnings = [](const std::string& url) {
    return FindAccount(Of({{"WANDB_API_KEY", "k"}, {"WANDB_BASE_URL", url}}))
        .value()
        .warnings.size();
  };
  CHECK(warnings("http://wandb.example") == 1);
  CHECK(warnings("https://wandb.example") == 0);
  for (const char* here : {"http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"})
    CHECK(warnings(here) == 0);
}

TEST_CASE("headers of the user's are taken from JSON, and wrong ones are told without values") {
  const Account account =
      FindAccount(Of({{"WANDB_API_KEY", "k"},
                      {"WANDB_X_EXTRA_HTTP_HEADERS",
                       R"({"X-Gate": "open", "Proxy-Authorization": "Basic x"})"}}))
          .value();
  CHECK(account.headers == std::vector<std::string>{"X-Gate: open"});
  CHECK(account.proxy_headers == std::vector<std::string>{"Proxy-Authorization: Basic x"});
  for (const char* wrong : {"secret", "[1]", R"({"X": 1})", R"({"X": "secret\r\nY: z"})",
                            R"({"X Y": "secret"})", R"({"Authorization": "secret"})"}) {
    const std::string words =
        ErrorOf({{"WANDB_API_KEY", "k"}, {"WANDB_X_EXTRA_HTTP_HEADERS", wrong}});
    CHECK(words.find("WANDB_X_EXTRA_HTTP_HEADERS") == 0);
    CHECK(words.find("secret") == std::string::npos);
  }
}

TEST_CASE("a run's page and a group's are addresses whatever letters their names have") {
  Account account;
  account.base_url = "https://api.wandb.ai";
  CHECK(PageOf(account, "me", "pr\xc3\xb6 jekt", "l\xc3\xa4uf/1") ==
        "https://wandb.ai/me/pr%C3%B6%20jekt/runs/l%C3%A4uf%2F1");
  account.pages = "https://app.example/wandb";
  CHECK(PageOf(account, "a", "b", "c") == "https://app.example/wandb/a/b/runs/c");
  CHECK(GroupPageOf(account, "a", "b", "c/d \xc3\xa4") ==
        "https://app.example/wandb/a/b/groups/c%2Fd%20%C3%A4");
}

}  // namespace
}  // namespace flarebridge::wandb
