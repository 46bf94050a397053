// HTTP by libcurl: one request after the other, with deadlines. Certificates are always verified.
// One thread per client; Stop() from any thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"

namespace flarebridge::wandb {

struct HttpRequest {
  std::string method;  // "POST" or "PUT"
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string_view body;
  std::string file;  // if not empty: the body is this file's first `file_bytes`
  uint64_t file_bytes = 0;
  std::string user, password;  // of basic authentication, if the user is not empty
};

struct HttpResponse {
  long status = 0;
  std::string body;                   // its first 4 MiB
  std::optional<double> retry_after;  // seconds
  // Of the headers RateLimit-Remaining (requests) and RateLimit-Reset (seconds).
  std::optional<double> limit_remaining, limit_reset;
};

struct HttpOptions {
  std::string user_agent;
  // Certificates of authorities in PEM, beside which none counts; empty: the system's.
  std::string ca_file;
  // By the scheme of the address asked; empty: what libcurl takes from http_proxy and https_proxy.
  // NO_PROXY counts for both.
  std::string http_proxy, https_proxy;
  double timeout = 180;  // seconds, of a whole request
};

class HttpClient {
 public:
  // Errors: kIo (libcurl can't be set up).
  static Expected<HttpClient> Make(const HttpOptions& options);

  // Waits for the answer: 10 s for a connection, and the options' time in all. Errors: kIo (no
  // answer; the text says why), kBusy (Stop() was called), kConfig (trying again does not help: the
  // certificate is not accepted, the address makes no sense).
  Expected<HttpResponse> Send(const HttpRequest& request);
  // Ends the request that is at work, and those to come.
  void Stop() { *stopped_ = true; }
  bool stopped() const { return *stopped_; }

 private:
  struct FreeRequest {
    void operator()(void* handle) const;
  };
  struct FreeShare {
    void operator()(void* share) const;
  };
  HttpClient() = default;
  Expected<void> SetUp(const HttpRequest& request);

  std::unique_ptr<void, FreeShare> connections_;  // outlives the requests that use them
  std::unique_ptr<void, FreeRequest> curl_;

  HttpOptions options_;
  std::unique_ptr<std::atomic<bool>> stopped_ = std::make_unique<std::atomic<bool>>(false);
};

}  // namespace flarebridge::wandb
