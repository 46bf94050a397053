#include "receivers/wandb/upload/account.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <tuple>

#include "receivers/files/open_file.h"
#include "receivers/json.h"
#include "receivers/wandb/upload/netrc.h"
#include "receivers/wandb/upload/secret_text.h"
#include "receivers/wandb/upload/settings_files.h"
#include "receivers/wandb/upload/words.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

std::string FirstSet(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const std::optional<std::string> value = environment(name)) return *value;
  }
  return "";
}

// What the environment says under one of these names, or else the settings files.
Setting Find(const Environment& environment, std::initializer_list<const char*> names,
             const Settings& settings, const std::string& setting) {
  for (const char* name : names) {
    if (const std::optional<std::string> value = environment(name)) return {*value, name};
  }
  const auto found = settings.find(setting);
  return found == settings.end() ? Setting() : found->second;
}

// Reads a variable of seconds into `seconds`, if it is set. Errors: kConfig.
Expected<void> ReadSeconds(const Environment& environment, const char* name, double least,
                           double& seconds) {
  constexpr double kMost = 86400;
  const std::string set = FirstSet(environment, {name});
  const std::string text(Trimmed(set));
  if (text.empty()) return {};
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size() || !(number >= least) ||
      number > kMost) {
    return Fail(ErrorCode::kConfig, std::string(name) + " must be a number of seconds from " +
                                        ToJson(least) + " to 86400, not " + text);
  }
  seconds = number;
  return {};
}

// A JSON object of names and values (wandb_settings.py: x_extra_http_headers). Its values may be
// secrets: words do not repeat them.
Expected<void> ReadHeaders(const Setting& setting, Account& account) {
  if (setting.value.empty()) return {};
  const auto wrong = [&](const std::string& words) {
    return Fail(ErrorCode::kConfig, setting.source + " (headers of requests) " + words);
  };
  const auto json = nlohmann::json::parse(setting.value, nullptr, false);
  if (!json.is_object()) return wrong(R"(must be a JSON object, as {"X-Name": "value"})");
  for (const auto& [name, value] : json.items()) {
    const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    });
    if (!is_name) return wrong("has a name that no header has");
    const std::string small = InSmall(name);
    constexpr std::array<std::string_view, 4> kOurs = {"authorization", "content-type",
                                                       "content-length", "transfer-encoding"};
    if (std::find(kOurs.begin(), kOurs.end(), small) != kOurs.end())
      return wrong("may not set " + name + ": each request has its own");
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    const bool fits = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
    if (!fits) return wrong("has no text of one line for " + name);
    auto& headers = small == "proxy-authorization" ? account.proxy_headers : account.headers;
    headers.push_back(name);
    headers.back() += ": ";
    headers.back() += text;
  }
  return {};
}

struct Key {
  std::string key, source;
};

Expected<Key> Checked(const std::string& text, const std::string& source,
                      const std::string& machine) {
  Key key{std::string(Trimmed(text)), source};
  if (IsSecret(key.key)) return key;
  return Fail(ErrorCode::kConfig,
              "the API key for " + machine + " from " + source +
                  (key.key.empty() ? " is empty" : " holds blanks or letters that no key has"));
}

// The machine's password in the netrc file, or the one of its other name, or
// of its host for all ports, as netrc files of other programs have it; nothing: there is none.
// `words`: why, for a person.
Expected<std::optional<Key>> KeyInNetrc(const Environment& environment, const ServerUrl& server,
                                        std::string& words) {
  const fs::path path = NetrcPath(environment);
  std::error_code failed;
  words = path.empty() ? "there is no home folder for a .netrc" : path.string() + " is not there";
  if (path.empty() || !fs::exists(path, failed)) return std::optional<Key>();
  constexpr size_t kMostBytes = size_t{16} << 20;
  const Expected<std::string> text = ReadWhole(path, kMostBytes);
  words = path.string() + (text ? " has none for it" : " " + text.error().message);
  if (!text) return std::optional<Key>();
  for (const std::string& machine : {server.machine, OtherMachineOf(server.machine), server.host}) {
    if (machine.empty()) continue;
    const std::optional<NetrcPassword> found = PasswordIn(*text, machine);
    if (!found) continue;
    const std::string source = path.string() + ", line " + std::to_string(found->line);
    Expected<Key> key = Checked(found->password, source, server.machine);
    if (!key) return Propagate(key);
    return std::optional<Key>(std::move(*key));
  }
  return std::optional<Key>();
}

// Of what stands for the key in the environment, one thing at most. Errors: kConfig.
Expected<void> CheckSources(const Environment& environment) {
  std::string first;
  for (const char* name : {"WANDB_API_KEY", "WANDB_API_KEY_FILE", "WANDB_IDENTITY_TOKEN_FILE"}) {
    if (!environment(name)) continue;
    if (!first.empty())
      return Fail(ErrorCode::kConfig, first + " and " + name + " are both set; unset one of them");
    first = name;
  }
  return {};
}

Expected<Key> FindKey(const Environment& environment, const ServerUrl& server,
                      const Settings& settings) {
  if (const auto key = environment("WANDB_API_KEY"))
    return Checked(*key, "WANDB_API_KEY", server.machine);
  if (const auto file = environment("WANDB_API_KEY_FILE")) {
    const fs::path path = InHome(environment, *file);
    Expected<std::string> key = ReadSecret(path);
    if (!key) return PropagateFrom("WANDB_API_KEY_FILE", key);
    return Key{std::move(*key), path.string() + " (WANDB_API_KEY_FILE)"};
  }
  std::string words;
  Expected<std::optional<Key>> key = KeyInNetrc(environment, server, words);
  if (!key) return Propagate(key);
  if (*key) return **key;
  if (const auto found = settings.find("api_key"); found != settings.end())
    return Checked(found->second.value, found->second.source, server.machine);
  const bool default_server = server.url == kDefaultServer;
  return Fail(ErrorCode::kConfig, "no API key for " + server.machine +
                                      ": WANDB_API_KEY is not set, and " + words +
                                      "; log in with: flarebridge login" +
                                      (default_server ? "" : " --host " + server.url));
}

Expected<NamedServer> FindServerIn(const Environment& environment, const Settings& settings) {
  const Setting named = Find(environment, {"WANDB_BASE_URL"}, settings, "base_url");
  const bool unnamed = Trimmed(named.value).empty();
  Expected<ServerUrl> address = ParseServerUrl(unnamed ? kDefaultServer : named.value);
  if (!address) return PropagateFrom(named.source, address);
  return NamedServer{std::move(*address), unnamed ? "" : named.source};
}

// All but the key.
Expected<Account> AccountAt(const Environment& environment, const NamedServer& server,
                            const Settings& settings) {
  Account account;
  account.base_url = server.address.url;
  account.server_source = server.source;
  account.pages = PagesOf(server.address.url);
  if (const auto pages = environment("WANDB_APP_URL")) account.pages = Trimmed(*pages);
  while (account.pages.ends_with('/')) account.pages.pop_back();
  if (server.address.clear_text) {
    account.warnings.push_back(server.address.url +
                               " is reached without encryption: the API key and the data can be "
                               "read on the way; use https:// where the server has it");
  }
  if (const std::string off = FirstSet(environment, {"WANDB_INSECURE_DISABLE_SSL"});
      !off.empty() && off != "0" && off != "false" && off != "False") {
    return Fail(ErrorCode::kConfig,
                "WANDB_INSECURE_DISABLE_SSL asks to send the API key to a server that is not "
                "verified; unset it, and give the server's own authority with SSL_CERT_FILE");
  }
  account.entity = Trimmed(Find(environment, {"WANDB_ENTITY"}, settings, "entity").value);
  account.project = Trimmed(Find(environment, {"WANDB_PROJECT"}, settings, "project").value);
  account.username = Trimmed(FirstSet(environment, {"WANDB_USERNAME"}));
  account.email = Trimmed(FirstSet(environment, {"WANDB_USER_EMAIL"}));
  for (const std::string& name : {account.username, account.email}) {
    if (!name.empty() && !IsSecret(name))
      return Fail(ErrorCode::kConfig,
                  "WANDB_USERNAME and WANDB_USER_EMAIL may hold neither blanks nor letters beyond "
                  "ASCII");
  }
  account.ca_file = FirstSet(environment, {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"});
  account.http_proxy =
      Find(environment, {"WANDB_HTTP_PROXY", "http_proxy", "HTTP_PROXY"}, settings, "http_proxy")
          .value;
  account.https_proxy = Find(environment, {"WANDB_HTTPS_PROXY", "https_proxy", "HTTPS_PROXY"},
                             settings, "https_proxy")
                            .value;
  if (Expected<void> read =
          ReadHeaders(Find(environment, {"WANDB_X_EXTRA_HTTP_HEADERS", "WANDB__EXTRA_HTTP_HEADERS"},
                           settings, "x_extra_http_headers"),
                      account);
      !read)
    return Propagate(read);
  for (const auto& [name, least, seconds] :
       {std::tuple{"WANDB_HTTP_TIMEOUT", 1.0, &account.timeout},
        {"WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS", 0.001, &account.retry_waits.first},
        {"WANDB_X_FILE_STREAM_RETRY_WAIT_MAX_SECONDS", 0.001, &account.retry_waits.most}}) {
    if (Expected<void> read = ReadSeconds(environment, name, least, *seconds); !read)
      return Propagate(read);
  }
  return account;
}

}  // namespace

Expected<NamedServer> FindServer(const Environment& environment) {
  std::vector<std::string> warnings;
  const Expected<Settings> settings = ReadSettings(environment, warnings);
  if (!settings) return Propagate(settings);
  return FindServerIn(environment, *settings);
}

Expected<Account> FindAccount(const Environment& environment) {
  std::vector<std::string> warnings;
  const Expected<Settings> settings = ReadSettings(environment, warnings);
  if (!settings) return Propagate(settings);
  const Expected<NamedServer> server = FindServerIn(environment, *settings);
  if (!server) return Propagate(server);
  Expected<Account> account = AccountAt(environment, *server, *settings);
  if (!account) return account;
  account->warnings.insert(account->warnings.end(), warnings.begin(), warnings.end());
  if (Expected<void> one = CheckSources(environment); !one) return Propagate(one);
  if (const auto file = environment("WANDB_IDENTITY_TOKEN_FILE")) {
    account->token = std::make_shared<AccessToken>(account->base_url, InHome(environment, *file));
    account->key_source = "WANDB_IDENTITY_TOKEN_FILE";
    return account;
  }
  Expected<Key> key = FindKey(environment, server->address, *settings);
  if (!key) return Propagate(key);
  account->key = std::move(key->key);
  account->key_source = std::move(key->source);
  return account;
}

Expected<Account> FindAccountWithoutKey(const Environment& environment, const NamedServer& server) {
  std::vector<std::string> warnings;
  const Expected<Settings> settings = ReadSettings(environment, warnings);
  if (!settings) return Propagate(settings);
  Expected<Account> account = AccountAt(environment, server, *settings);
  if (account) account->warnings.insert(account->warnings.end(), warnings.begin(), warnings.end());
  return account;
}

namespace {

// The project's page, with a slash behind it.
std::string ProjectPage(const Account& account, const std::string& entity,
                        const std::string& project) {
  const std::string pages = account.pages.empty() ? PagesOf(account.base_url) : account.pages;
  return pages + "/" + Escape(entity) + "/" + Escape(project) + "/";
}

}  // namespace

std::string PageOf(const Account& account, const std::string& entity, const std::string& project,
                   const std::string& run) {
  return ProjectPage(account, entity, project) + "runs/" + Escape(run);
}

std::string GroupPageOf(const Account& account, const std::string& entity,
                        const std::string& project, const std::string& group) {
  return ProjectPage(account, entity, project) + "groups/" + Escape(group);
}

}  // namespace flarebridge::wandb
