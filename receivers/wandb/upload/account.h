// Where W&B is and who asks: from the environment and from ~/.netrc, as the wandb package has it.
// The key is never a program's argument, and never written anywhere. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "events/error.h"
#include "receivers/upload/retry_policy.h"

namespace flarebridge::wandb {

// Gives an environment variable's value, or nothing if it is not set or empty.
using Environment = std::function<std::optional<std::string>(const char* name)>;

struct Account {
  std::string base_url;  // without a slash at the end
  std::string key;
  std::string username, email;  // WANDB_USERNAME, WANDB_USER_EMAIL: for whom a service account acts
  std::string ca_file;  // SSL_CERT_FILE or REQUESTS_CA_BUNDLE; empty: the system's certificates
  // WANDB_HTTP_PROXY or HTTP_PROXY, WANDB_HTTPS_PROXY or HTTPS_PROXY; also in small letters.
  std::string http_proxy, https_proxy;
  double timeout = 180;  // WANDB_HTTP_TIMEOUT: seconds of a request
  // WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS and ..._MAX_SECONDS; here for all requests.
  RetryWaits retry_waits;
};

// WANDB_BASE_URL (https://api.wandb.ai without it); WANDB_API_KEY, or the password of the server's
// machine in NETRC or ~/.netrc. Errors: kConfig, with what to do; also if certificates are to be
// ignored (WANDB_INSECURE_DISABLE_SSL), which is never done.
Expected<Account> FindAccount(const Environment& environment);

// The password that a netrc file has for a host. Lines as ftp(1) has them: `machine NAME login NAME
// password TEXT`, in any number of lines, and `default`.
std::optional<std::string> PasswordIn(const std::string& netrc, const std::string& host);

}  // namespace flarebridge::wandb
