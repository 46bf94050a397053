#include "receivers/wandb/upload/account.h"

#include <algorithm>
#include <fstream>
#include <sstream>

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
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return std::nullopt;
  return PasswordIn(text.str(), host);
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
  account.ca_file =
      environment("SSL_CERT_FILE").value_or(environment("REQUESTS_CA_BUNDLE").value_or(""));
  return account;
}

}  // namespace flarebridge::wandb
