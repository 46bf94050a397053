#include "receivers/wandb/upload/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace flarebridge::wandb {
namespace {

constexpr long kConnectSeconds = 10;
constexpr size_t kMaxAnswer = size_t{4} << 20;

size_t TakeBody(char* data, size_t /*one*/, size_t size, void* to) {
  std::string& body = *static_cast<std::string*>(to);
  body.append(data, std::min(size, kMaxAnswer - std::min(kMaxAnswer, body.size())));
  return size;
}

int IsStopped(void* stopped, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<std::atomic<bool>*>(stopped) ? 1 : 0;
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList Headers(const std::vector<std::string>& lines) {
  // Without "Expect:" libcurl would wait for a "100 Continue" before each larger body.
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const std::string& line : lines) list = curl_slist_append(list, line.c_str());
  return HeaderList(list);
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

struct CloseFile {
  void operator()(FILE* file) const { fclose(file); }
};

bool IsFinal(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

}  // namespace

void HttpClient::Free::operator()(void* handle) const { curl_easy_cleanup(handle); }

Expected<HttpClient> HttpClient::Make(const HttpOptions& options) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  HttpClient client;
  client.curl_.reset(global == CURLE_OK ? curl_easy_init() : nullptr);
  if (!client.curl_) return Fail(ErrorCode::kIo, "libcurl can't be set up");
  client.options_ = options;
  return client;
}

void HttpClient::SetUp(const HttpRequest& request) {
  CURL* curl = curl_.get();
  curl_easy_reset(curl);  // keeps the connection
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  if (request.file.empty()) {
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
  if (!options_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout * 1000));
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, IsStopped);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stopped_.get());
}

Expected<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  CURL* curl = curl_.get();
  SetUp(request);
  HttpResponse response;
  const HeaderList headers = Headers(request.headers);
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  std::unique_ptr<FILE, CloseFile> file;
  if (!request.file.empty()) {
    file.reset(fopen(request.file.c_str(), "rbe"));
    if (!file) return Fail(ErrorCode::kConfig, request.file + " can't be read");
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READDATA, file.get());
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.file_bytes));
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  if (code != CURLE_OK) {
    const std::string why = *reason != 0 ? reason : curl_easy_strerror(code);
    return Fail(IsFinal(code) ? ErrorCode::kConfig : ErrorCode::kIo, why);
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
  response.retry_after = RetryAfter(curl);
  response.limit_remaining = NumberHeader(curl, "RateLimit-Remaining");
  response.limit_reset = NumberHeader(curl, "RateLimit-Reset");
  return response;
}

}  // namespace flarebridge::wandb
