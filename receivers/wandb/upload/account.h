// Where W&B is and who asks: from the environment, from the settings files and the netrc file of
// W&B's client, in its order (wandb/sdk/wandb_settings.py, lib/wbauth/ at 0.31.0). The key is never
// a program's argument, and no file of ours holds it. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/upload/retry_policy.h"
#include "receivers/wandb/upload/access_token.h"
#include "receivers/wandb/upload/server_url.h"
#include "receivers/wandb/upload/variables.h"

namespace flarebridge::wandb {

// A server, and where its address is from: "WANDB_BASE_URL", "FILE, line 2", or empty if nobody
// has named one.
struct NamedServer {
  ServerUrl address;
  std::string source;
};

struct Account {
  std::string base_url;       // without a slash at the end
  std::string server_source;  // as in NamedServer
  std::string pages;          // where the runs are shown: WANDB_APP_URL, or by the server's name
  std::string key;            // empty: `token` counts
  std::string key_source;     // "WANDB_API_KEY", "~/.netrc, line 3"
  std::shared_ptr<AccessToken> token;
  std::string entity, project;  // of runs that name none
  std::string username, email;  // WANDB_USERNAME, WANDB_USER_EMAIL: for whom a service account acts
  std::string ca_file;  // SSL_CERT_FILE or REQUESTS_CA_BUNDLE; empty: the system's certificates
  // WANDB_HTTP_PROXY or HTTP_PROXY, WANDB_HTTPS_PROXY or HTTPS_PROXY; also in small letters.
  std::string http_proxy, https_proxy;
  // WANDB_X_EXTRA_HTTP_HEADERS: "Name: value", of all requests, and of those to a proxy.
  std::vector<std::string> headers, proxy_headers;
  double timeout = 180;  // WANDB_HTTP_TIMEOUT: seconds of a request
  // WANDB_X_FILE_STREAM_RETRY_WAIT_MIN_SECONDS and ..._MAX_SECONDS; here for all requests.
  RetryWaits retry_waits;
  std::vector<std::string> warnings;  // for a person, once
};

// WANDB_BASE_URL, else base_url of the settings files, else W&B's own server. Errors: kConfig.
Expected<NamedServer> FindServer(const Environment& environment);

// The server's account: the key is WANDB_API_KEY, what is in WANDB_API_KEY_FILE, or the password of
// the server's machine in the netrc file, or api_key of the settings files; or
// WANDB_IDENTITY_TOKEN_ FILE stands for it. Errors: kConfig, with what to do; also if certificates
// are to be ignored (WANDB_INSECURE_DISABLE_SSL), which is never done.
Expected<Account> FindAccount(const Environment& environment);

// The same without a key: for a login.
Expected<Account> FindAccountWithoutKey(const Environment& environment, const NamedServer& server);

// "https://wandb.ai/entity/project/runs/id"; fit for a browser, whatever letters the names have.
std::string PageOf(const Account& account, const std::string& entity, const std::string& project,
                   const std::string& run);

// "https://wandb.ai/entity/project/groups/name"; the same.
std::string GroupPageOf(const Account& account, const std::string& entity,
                        const std::string& project, const std::string& group);

}  // namespace flarebridge::wandb
