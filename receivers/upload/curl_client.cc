#include "receivers/upload/curl_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "events/to_integer.h"
#include "receivers/files/open_file.h"
#include "receivers/upload/system_certificates.h"

namespace flarebridge {
namespace {

constexpr long kConnectSeconds = 10;
// A body to a storage that moves slower than this (bytes in a second) for this time (seconds, at
// least) does not move.
constexpr long kLeastSpeed = 1024, kLeastSlowSeconds = 30;
constexpr size_t kMaxAnswer = size_t{4} << 20;

size_t TakeBody(char* data, size_t /*one*/, size_t size, void* to) {
  std::string& body = *static_cast<std::string*>(to);
  body.append(data, std::min(size, kMaxAnswer - std::min(kMaxAnswer, body.size())));
  return size;
}

int IsStopped(void* transport, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const HttpTransport*>(transport)->stopped() ? 1 : 0;
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

curl_slist* ListOf(const std::vector<std::string>& lines, curl_slist* list) {
  for (const std::string& line : lines) list = curl_slist_append(list, line.c_str());
  return list;
}

// `more`: what every request of this client has besides, to a storage too.
HeaderList Headers(const HttpRequest& request, const std::vector<std::string>& more) {
  // Without "Expect:" libcurl would wait for a "100 Continue" before each larger body.
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  // A signed address may hold for the headers that were signed only; Google's says so of
  // Content-Type, which libcurl would add.
  for (const char* own : {"Content-Type:", "Accept:"}) {
    if (request.to_storage) list = curl_slist_append(list, own);
  }
  return HeaderList(ListOf(more, ListOf(request.headers, list)));
}

std::optional<double> Number(std::string_view text) {
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failed == std::errc() && end == text.data() + text.size();
  return whole && number >= 0 ? std::optional(number) : std::nullopt;
}

std::optional<std::string> Header(CURL* curl, const char* name) {
  curl_header* header = nullptr;
  if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return std::nullopt;
  return header->value;
}

std::optional<double> NumberHeader(CURL* curl, const char* name) {
  const std::optional<std::string> value = Header(curl, name);
  return value ? Number(*value) : std::nullopt;
}

// Seconds, with a fraction as W&B's servers may send them, or a date.
std::optional<double> RetryAfter(CURL* curl) {
  const std::optional<std::string> value = Header(curl, "Retry-After");
  if (!value) return std::nullopt;
  if (const std::optional<double> seconds = Number(*value)) return seconds;
  const time_t date = curl_getdate(value->c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::max(0.0, static_cast<double>(date - time(nullptr)));
}

// A body that is a file, read at its own place: the same open file may be sent again.
struct FileBody {
  int file = -1;
  uint64_t begin = 0, at = 0, end = 0;
  std::atomic<uint64_t>* moved = nullptr;
};

void TellMoved(const FileBody& body) {
  if (body.moved != nullptr) *body.moved = body.at - body.begin;
}

size_t GiveBody(char* to, size_t size, size_t count, void* from) {
  FileBody& body = *static_cast<FileBody*>(from);
  const uint64_t most = std::min<uint64_t>(size * count, body.end - body.at);
  const Expected<size_t> got = ReadAt(body.file, body.at, to, most);
  if (!got) return CURL_READFUNC_ABORT;
  body.at += *got;
  TellMoved(body);
  return *got;
}

// libcurl sends a body anew, say over another connection.
int SeekBody(void* from, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  FileBody& body = *static_cast<FileBody*>(from);
  body.at = body.begin + static_cast<uint64_t>(offset);
  TellMoved(body);
  return CURL_SEEKFUNC_OK;
}

bool IsFinal(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

}  // namespace

void CurlClient::FreeRequest::operator()(void* handle) const { curl_easy_cleanup(handle); }
void CurlClient::FreeHeaders::operator()(void* list) const {
  curl_slist_free_all(static_cast<curl_slist*>(list));
}
void CurlClient::FreeShare::operator()(void* share) const { curl_share_cleanup(share); }

Expected<std::unique_ptr<CurlClient>> CurlClient::Make(const HttpOptions& options) {
  // Once in the process; 0 if it went well.
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  std::unique_ptr<CurlClient> client(new CurlClient(options));
  if (ready == CURLE_OK) client->connections_.reset(curl_share_init());
  client->proxy_headers_.reset(ListOf(options.proxy_headers, nullptr));
  CURLSH* connections = client->connections_.get();
  if (connections == nullptr) return Fail(ErrorCode::kIo, "libcurl can't be set up");
  curl_share_setopt(connections, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
  curl_share_setopt(connections, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
  curl_share_setopt(connections, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  client->TakeCertificates();
  return client;
}

// A libcurl that was built for any Linux was not told where this one keeps its certificates.
void CurlClient::TakeCertificates() {
  const curl_version_info_data* built = curl_version_info(CURLVERSION_NOW);
  if (!options_.ca_file.empty() || built->cainfo != nullptr || built->capath != nullptr) return;
  options_.ca_file = FindSystemCertificates();
  without_authorities_ = options_.ca_file.empty();
}

Expected<void> CurlClient::SetUp(const HttpRequest& request) {
  // A new handle for each request: libcurl 7.88 (Debian 12) uses a header of the request before it,
  // which is freed, if an answer begins with a folded line. The connections stay.
  curl_.reset(curl_easy_init());
  CURL* curl = curl_.get();
  if (curl == nullptr) return Fail(ErrorCode::kIo, "libcurl can't be set up");
  curl_easy_setopt(curl, CURLOPT_SHARE, connections_.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  // Where the library has it and the server agrees; HTTP/1.1 otherwise.
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  if (request.file < 0) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, options_.user_agent.c_str());
  if (!request.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
  }
  const std::string& proxy =
      request.url.starts_with("https:") ? options_.https_proxy : options_.http_proxy;
  if (!proxy.empty()) curl_easy_setopt(curl, CURLOPT_PROXY, proxy.c_str());
  // What is for the server is not for the proxy that a tunnel to it goes through.
  curl_easy_setopt(curl, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));
  if (proxy_headers_) curl_easy_setopt(curl, CURLOPT_PROXYHEADER, proxy_headers_.get());
  if (!options_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  SetTimes(request);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, IsStopped);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, static_cast<HttpTransport*>(this));
  return {};
}

void CurlClient::SetTimes(const HttpRequest& request) {
  CURL* curl = curl_.get();
  double seconds = options_.timeout;
  if (request.to_storage) {
    const uint64_t bytes = request.file < 0 ? request.body.size() : request.file_bytes;
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kLeastSpeed);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                     std::max(kLeastSlowSeconds, ToInteger<long>(seconds)));
    seconds += static_cast<double>(bytes) / kLeastSpeed;
  }
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(ToInteger<int>(seconds * 1000)));
}

Expected<HttpResponse> CurlClient::Send(const HttpRequest& request) {
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  if (Expected<void> ready = SetUp(request); !ready) return Propagate(ready);
  CURL* curl = curl_.get();
  HttpResponse response;
  const HeaderList headers = Headers(request, options_.headers);
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  FileBody body{request.file, request.file_begin, request.file_begin,
                request.file_begin + request.file_bytes, request.moved};
  if (request.file >= 0) {
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, GiveBody);
    curl_easy_setopt(curl, CURLOPT_READDATA, &body);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, SeekBody);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, &body);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.file_bytes));
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  if (code != CURLE_OK) {
    std::string why = *reason != 0 ? reason : curl_easy_strerror(code);
    if (without_authorities_ && code == CURLE_PEER_FAILED_VERIFICATION)
      why +=
          "; this machine has no certificates of authorities: install the package "
          "ca-certificates, or name a file with them in SSL_CERT_FILE";
    return Fail(IsFinal(code) ? ErrorCode::kConfig : ErrorCode::kIo, why);
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
  response.retry_after = RetryAfter(curl);
  response.limit_remaining = NumberHeader(curl, "RateLimit-Remaining");
  response.limit_reset = NumberHeader(curl, "RateLimit-Reset");
  response.etag = Header(curl, "ETag").value_or("");
  return response;
}

}  // namespace flarebridge
