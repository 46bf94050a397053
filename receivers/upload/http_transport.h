// HTTP as uploads see it: one call, which waits for its answer. libcurl is one implementation
// (curl_client.h), a scripted server in memory the unit tests' other one. One thread per transport
// but for Stop().
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"

namespace flarebridge {

struct HttpRequest {
  std::string method;  // "POST" or "PUT"
  std::string url;
  std::vector<std::string> headers;  // "Name: value"
  std::string_view body;
  int file = -1;  // if it is open: the body is `file_bytes` of this file from `file_begin` on
  uint64_t file_begin = 0, file_bytes = 0;
  std::atomic<uint64_t>* moved = nullptr;  // where given: bytes of such a body that have gone
  std::string user, password;              // of basic authentication, if the user is not empty
  // For a storage: with the headers that are given and none else, and with as much time as its body
  // needs while it moves.
  bool to_storage = false;
};

struct HttpResponse {
  long status = 0;
  std::string body;                   // its first 4 MiB
  std::optional<double> retry_after;  // seconds
  // Of the headers RateLimit-Remaining (requests) and RateLimit-Reset (seconds).
  std::optional<double> limit_remaining, limit_reset;
  std::string etag{};  // the header, as a storage sends it
};

class HttpTransport {
 public:
  HttpTransport() = default;
  virtual ~HttpTransport() = default;
  HttpTransport(const HttpTransport&) = delete;
  HttpTransport& operator=(const HttpTransport&) = delete;

  // Waits for the answer, which may have any status. Errors: kIo (no answer; the text says why),
  // kBusy (Stop() was called), kConfig (trying again does not help: the certificate is not
  // accepted, the address makes no sense, the file can't be read).
  virtual Expected<HttpResponse> Send(const HttpRequest& request) = 0;

  // Ends the request that is at work, and those to come. From any thread.
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

 private:
  std::atomic<bool> stopped_ = false;
};

}  // namespace flarebridge
