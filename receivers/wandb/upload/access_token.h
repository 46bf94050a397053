// In place of an API key: a token of the machine's identity (WANDB_IDENTITY_TOKEN_FILE, a JWT that
// the platform keeps fresh), which the server exchanges for one that lasts for some minutes (RFC
// 7523; wandb-core, core/internal/api/credentials.go at 0.28.3). W&B's client keeps the latter in a
// file; this one keeps it in memory. Shared by all uploads of a process; any thread.
#pragma once

#include <filesystem>
#include <string>

#include "events/clock.h"
#include "events/error.h"
#include "events/mutex.h"
#include "receivers/upload/http_transport.h"

namespace flarebridge::wandb {

class AccessToken {
 public:
  // `server`: base URL.
  AccessToken(std::string server, std::filesystem::path identity)
      : server_(std::move(server)), identity_(std::move(identity)) {}

  // One that lasts for a while yet; asked for by `http` where there is none. Errors: kConfig (no
  // identity, or the server does not accept it), kIo (no answer now), kBusy (stopped).
  Expected<std::string> Get(HttpTransport& http, Clock::time_point now);

 private:
  Expected<void> Exchange(HttpTransport& http, Clock::time_point now) REQUIRES(mutex_);

  const std::string server_;
  const std::filesystem::path identity_;
  Mutex mutex_;
  std::string token_ GUARDED_BY(mutex_);
  Clock::time_point renew_ GUARDED_BY(mutex_){};
};

}  // namespace flarebridge::wandb
