#include "receivers/wandb/upload/account.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <tuple>

#include "receivers/files/open_file.h"
#include "receivers/json.h"

namespace flarebridge::wandb {
namespace {

constexpr const char* kDefaultUrl = "https://api.wandb.ai";

std::string HostOf(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  return url.substr(begin, url.find_first_of(":/", begin) - begin);
}

// A key that would break a header or a log is no key.
bool IsKey(const std::string& key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
}

std::optional<std::string> KeyInNetrc(const Environment& environment, const std::string& host) {
  std::string path = environment("NETRC").value_or("");
  if (path.empty()) path = environment("HOME").value_or("") + "/.netrc";
  constexpr size_t kMostBytes = size_t{16} << 20;
  const Expected<std::string> text = ReadWhole(path, kMostBytes);
  if (!text) return std::nullopt;
  return PasswordIn(*text, host);
}

std::string FirstSet(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const std::optional<std::string> value = environment(name)) return *value;
  }
  return "";
}

// Reads a variable of seconds into `seconds`, if it is set. Errors: kConfig.
Expected<void> ReadSeconds(const Environment& environment, const char* name, double least,
                           double& seconds) {
  constexpr double kMost = 86400;
  const std::string text = FirstSet(environment, {name});
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

}  // namespace

std::optional<std::string> PasswordIn(const std::string& netrc, const std::string& host) {
  std::istringstream words(netrc);
  std::string word;
  bool here = false;
  while (words >> word) {
    if (word.starts_with('#')) {
      std::getline(words, word);
    } else if (word == "machine") {
      here = words >> word && word == host;
    } else if (word == "default") {
      here = true;
    } else if (word == "password" && words >> word && here) {
      return word;
    }
  }
  return std::nullopt;
}

Expected<Account> FindAccount(const Environment& environment) {
  Account account;
  account.base_url = environment("WANDB_BASE_URL").value_or(kDefaultUrl);
  while (account.base_url.ends_with('/')) account.base_url.pop_back();
  if (!account.base_url.starts_with("https://") && !account.base_url.starts_with("http://")) {
    return Fail(ErrorCode::kConfig,
                "WANDB_BASE_URL must begin with https:// or http://, not " + account.base_url);
  }
  if (const std::string off = FirstSet(environment, {"WANDB_INSECURE_DISABLE_SSL"});
      !off.empty() && off != "0" && off != "false" && off != "False") {
    return Fail(ErrorCode::kConfig,
                "WANDB_INSECURE_DISABLE_SSL asks to send the API key to a server that is not "
                "verified; unset it, and give the server's own authority with SSL_CERT_FILE");
  }
  const std::string host = HostOf(account.base_url);
  std::optional<std::string> key = environment("WANDB_API_KEY");
  if (!key) key = KeyInNetrc(environment, host);
  if (!key) {
    return Fail(ErrorCode::kConfig, "no API key for " + host +
                                        ": set WANDB_API_KEY, or log in with `wandb login`, which "
                                        "writes it into ~/.netrc");
  }
  if (!IsKey(*key))
    return Fail(ErrorCode::kConfig, "the API key for " + host +
                                        " holds blanks or other characters "
                                        "that no key has");
  account.key = std::move(*key);
  account.username = FirstSet(environment, {"WANDB_USERNAME"});
  account.email = FirstSet(environment, {"WANDB_USER_EMAIL"});
  for (const std::string& name : {account.username, account.email}) {
    if (!name.empty() && !IsKey(name))
      return Fail(ErrorCode::kConfig,
                  "WANDB_USERNAME and WANDB_USER_EMAIL may hold neither blanks nor letters beyond "
                  "ASCII");
  }
  account.ca_file = FirstSet(environment, {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"});
  account.http_proxy = FirstSet(environment, {"WANDB_HTTP_PROXY", "http_proxy", "HTTP_PROXY"});
  account.https_proxy = FirstSet(environment, {"WANDB_HTTPS_PROXY", "https_proxy", "HTTPS_PROXY"});
  for (const auto& [name, least, seconds] :
       {std::tuple{"WANDB_HTTP_TIMEOUT", 1.0, &account.timeout},
        {"WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS", 0.001, &account.retry_waits.first},
        {"WANDB_X_FILE_STREAM_RETRY_WAIT_MAX_SECONDS", 0.001, &account.retry_waits.most}}) {
    if (Expected<void> read = ReadSeconds(environment, name, least, *seconds); !read)
      return Propagate(read);
  }
  return account;
}

}  // namespace flarebridge::wandb
