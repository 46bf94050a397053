#include "receivers/wandb/upload/http_client.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <type_traits>

namespace flarebridge::wandb {
namespace {

// libcurl, loaded by the first client: only the process that uploads needs it, and its libraries
// would cost every worker 1.2 MiB and 4 ms (measured).
struct LibCurl {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_share_init) share_init = nullptr;
  decltype(&curl_share_setopt) share_setopt = nullptr;
  decltype(&curl_share_cleanup) share_cleanup = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_perform) easy_perform = nullptr;
  decltype(&curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&curl_easy_header) easy_header = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
  decltype(&curl_getdate) getdate = nullptr;
  std::string missing;  // why it can't be used, or empty
};

LibCurl Load() {
  LibCurl curl;
  void* library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    curl.missing = std::string("libcurl can't be loaded (") + dlerror() +
                   "); install it: apt-get install libcurl4";
    return curl;
  }
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (function == nullptr && curl.missing.empty())
      curl.missing = std::string("libcurl is too old: it lacks ") + name;
  };
  find(curl.global_init, "curl_global_init");
  find(curl.easy_init, "curl_easy_init");
  find(curl.easy_cleanup, "curl_easy_cleanup");
  find(curl.share_init, "curl_share_init");
  find(curl.share_setopt, "curl_share_setopt");
  find(curl.share_cleanup, "curl_share_cleanup");
  find(curl.easy_setopt, "curl_easy_setopt");
  find(curl.easy_perform, "curl_easy_perform");
  find(curl.easy_getinfo, "curl_easy_getinfo");
  find(curl.easy_header, "curl_easy_header");
  find(curl.easy_strerror, "curl_easy_strerror");
  find(curl.slist_append, "curl_slist_append");
  find(curl.slist_free_all, "curl_slist_free_all");
  find(curl.getdate, "curl_getdate");
  if (curl.missing.empty() && curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    curl.missing = "libcurl can't be set up";
  return curl;
}

const LibCurl& Lib() {
  static const LibCurl curl = Load();
  return curl;
}

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
  void operator()(curl_slist* list) const { Lib().slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

HeaderList Headers(const std::vector<std::string>& lines) {
  // Without "Expect:" libcurl would wait for a "100 Continue" before each larger body.
  curl_slist* list = Lib().slist_append(nullptr, "Expect:");
  for (const std::string& line : lines) list = Lib().slist_append(list, line.c_str());
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
  if (Lib().easy_header(curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return std::nullopt;
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
  const time_t date = Lib().getdate(value->c_str(), nullptr);
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

void HttpClient::FreeRequest::operator()(void* handle) const { Lib().easy_cleanup(handle); }
void HttpClient::FreeShare::operator()(void* share) const { Lib().share_cleanup(share); }

Expected<HttpClient> HttpClient::Make(const HttpOptions& options) {
  if (!Lib().missing.empty()) return Fail(ErrorCode::kIo, Lib().missing);
  HttpClient client;
  client.connections_.reset(Lib().share_init());
  if (!client.connections_) return Fail(ErrorCode::kIo, "libcurl can't be set up");
  Lib().share_setopt(client.connections_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
  Lib().share_setopt(client.connections_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
  Lib().share_setopt(client.connections_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  client.options_ = options;
  return client;
}

Expected<void> HttpClient::SetUp(const HttpRequest& request) {
  // A new handle for each request: libcurl 7.88 (Debian 12) uses a header of the request before it,
  // which is freed, if an answer begins with a folded line. The connections stay.
  curl_.reset(Lib().easy_init());
  CURL* curl = curl_.get();
  if (curl == nullptr) return Fail(ErrorCode::kIo, "libcurl can't be set up");
  Lib().easy_setopt(curl, CURLOPT_SHARE, connections_.get());
  Lib().easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  Lib().easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  Lib().easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  if (request.file.empty()) {
    Lib().easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    Lib().easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                      static_cast<curl_off_t>(request.body.size()));
  }
  Lib().easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  Lib().easy_setopt(curl, CURLOPT_USERAGENT, options_.user_agent.c_str());
  if (!request.user.empty()) {
    Lib().easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    Lib().easy_setopt(curl, CURLOPT_USERNAME, request.user.c_str());
    Lib().easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
  }
  const std::string& proxy =
      request.url.starts_with("https:") ? options_.https_proxy : options_.http_proxy;
  if (!proxy.empty()) Lib().easy_setopt(curl, CURLOPT_PROXY, proxy.c_str());
  if (!options_.ca_file.empty()) Lib().easy_setopt(curl, CURLOPT_CAINFO, options_.ca_file.c_str());
  Lib().easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  Lib().easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout * 1000));
  Lib().easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  Lib().easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, IsStopped);
  Lib().easy_setopt(curl, CURLOPT_XFERINFODATA, stopped_.get());
  return {};
}

Expected<HttpResponse> HttpClient::Send(const HttpRequest& request) {
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  if (Expected<void> ready = SetUp(request); !ready) return Propagate(ready);
  CURL* curl = curl_.get();
  HttpResponse response;
  const HeaderList headers = Headers(request.headers);
  char reason[CURL_ERROR_SIZE] = "";
  Lib().easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  Lib().easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  Lib().easy_setopt(curl, CURLOPT_WRITEFUNCTION, TakeBody);
  Lib().easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
  std::unique_ptr<FILE, CloseFile> file;
  if (!request.file.empty()) {
    file.reset(fopen(request.file.c_str(), "rbe"));
    if (!file) return Fail(ErrorCode::kConfig, request.file + " can't be read");
    Lib().easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    Lib().easy_setopt(curl, CURLOPT_READDATA, file.get());
    Lib().easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.file_bytes));
  }
  const CURLcode code = Lib().easy_perform(curl);
  Lib().easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  if (code != CURLE_OK) {
    const std::string why = *reason != 0 ? reason : Lib().easy_strerror(code);
    return Fail(IsFinal(code) ? ErrorCode::kConfig : ErrorCode::kIo, why);
  }
  Lib().easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
  response.retry_after = RetryAfter(curl);
  response.limit_remaining = NumberHeader(curl, "RateLimit-Remaining");
  response.limit_reset = NumberHeader(curl, "RateLimit-Reset");
  return response;
}

}  // namespace flarebridge::wandb
