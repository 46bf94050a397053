#include "receivers/wandb/upload/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <ctime>

namespace flarebridge::wandb {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kTotalSeconds = 180;
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

// Seconds, with a fraction as W&B's servers may send them, or a date.
std::optional<double> RetryAfter(CURL* curl) {
  curl_header* header = nullptr;
  if (curl_easy_header(curl, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
    return std::nullopt;
  const std::string_view value(header->value);
  double seconds = 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (failed == std::errc() && end == value.data() + value.size())
    return seconds >= 0 ? std::optional(seconds) : std::nullopt;
  const time_t date = curl_getdate(header->value, nullptr);
  if (date < 0) return std::nullopt;
  return std::max(0.0, static_cast<double>(date - time(nullptr)));
}

bool IsFinal(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

}  // namespace

void HttpClient::Free::operator()(void* handle) const { curl_easy_cleanup(handle); }

Expected<HttpClient> HttpClient::Make(const std::string& ca_file, const std::string& user_agent) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  HttpClient client;
  client.curl_.reset(global == CURLE_OK ? curl_easy_init() : nullptr);
  if (!client.curl_) return Fail(ErrorCode::kIo, "libcurl can't be set up");
  client.ca_file_ = ca_file;
  client.user_agent_ = user_agent;
  return client;
}

Expected<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  CURL* curl = curl_.get();
  curl_easy_reset(curl);
  HttpResponse response;
  const HeaderList headers = Headers(request.headers);
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, user_agent_.c_str());
  if (!request.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
  }
  if (!ca_file_.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file_.c_str());
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, kTotalSeconds);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, IsStopped);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, stopped_.get());
  const CURLcode code = curl_easy_perform(curl);
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  if (code != CURLE_OK) {
    const std::string why = *reason != 0 ? reason : curl_easy_strerror(code);
    return Fail(IsFinal(code) ? ErrorCode::kConfig : ErrorCode::kIo, why);
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
  response.retry_after = RetryAfter(curl);
  return response;
}

}  // namespace flarebridge::wandb
