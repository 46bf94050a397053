// HTTP by libcurl: one request after the other, with deadlines. Certificates are always verified.
// Used by `flarebridge-upload` only, which links libcurl: its libraries would cost every worker
// 1.2 MiB and 4 ms (measured). One thread per client; Stop() from any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/upload/http_transport.h"

namespace flarebridge {

struct HttpOptions {
  std::string user_agent;
  // Certificates of authorities in PEM, beside which none counts; empty: the system's, as libcurl
  // knows them or as they are found (system_certificates.h).
  std::string ca_file;
  // By the scheme of the address asked; empty: what libcurl takes from http_proxy and https_proxy.
  // NO_PROXY counts for both.
  std::string http_proxy, https_proxy;
  // "Name: value": of each request besides its own, and of those to a proxy alone.
  std::vector<std::string> headers, proxy_headers;
  double timeout = 180;  // seconds, of a whole request but for a body to a storage
};

class CurlClient : public HttpTransport {
 public:
  // Errors: kIo (libcurl can't be set up).
  static Expected<std::unique_ptr<CurlClient>> Make(const HttpOptions& options);

  // Waits 10 s for a connection, and the options' time in all. A body to a storage gets a second
  // more for each KiB, and is given up when for that time, but 30 s at least, it is slower than
  // that.
  Expected<HttpResponse> Send(const HttpRequest& request) override;

 private:
  struct FreeRequest {
    void operator()(void* handle) const;
  };
  struct FreeShare {
    void operator()(void* share) const;
  };
  struct FreeHeaders {
    void operator()(void* list) const;
  };
  explicit CurlClient(HttpOptions options) : options_(std::move(options)) {}
  Expected<void> SetUp(const HttpRequest& request);
  void TakeCertificates();
  void SetTimes(const HttpRequest& request);

  std::unique_ptr<void, FreeShare> connections_;  // outlives the requests that use them
  std::unique_ptr<void, FreeHeaders> proxy_headers_;
  std::unique_ptr<void, FreeRequest> curl_;
  HttpOptions options_;
  bool without_authorities_ = false;  // this machine has none
};

}  // namespace flarebridge
