// HTTP by libcurl: one request after the other, with deadlines. Proxies come from the usual
// environment variables (libcurl reads them); certificates are always verified. One thread per
// client; Stop() from any thread or a signal handler.
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
  std::string user, password;  // of basic authentication, if the user is not empty
};

struct HttpResponse {
  long status = 0;
  std::string body;                   // its first 4 MiB
  std::optional<double> retry_after;  // seconds
};

class HttpClient {
 public:
  // `ca_file`: certificates of authorities in PEM, beside which none counts; empty: the system's.
  // Errors: kIo (libcurl can't be set up).
  static Expected<HttpClient> Make(const std::string& ca_file, const std::string& user_agent);

  // Waits for the answer: 10 s for a connection, 180 s in all. Errors: kIo (no answer; the text
  // says why), kBusy (Stop() was called), kConfig (trying again does not help: the certificate is
  // not accepted, the address makes no sense).
  Expected<HttpResponse> Send(const HttpRequest& request);
  // Ends the request that is at work, and those to come.
  void Stop() { *stopped_ = true; }
  bool stopped() const { return *stopped_; }

 private:
  struct Free {
    void operator()(void* handle) const;
  };
  HttpClient() = default;

  std::unique_ptr<void, Free> curl_;
  std::string ca_file_, user_agent_;
  std::unique_ptr<std::atomic<bool>> stopped_ = std::make_unique<std::atomic<bool>>(false);
};

}  // namespace flarebridge::wandb
