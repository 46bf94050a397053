#include "receivers/wandb/upload/access_token.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "receivers/files/open_file.h"
#include "receivers/upload/retry_policy.h"
#include "receivers/wandb/upload/secret_text.h"

namespace flarebridge::wandb {
namespace {

// Before it ends, as wandb-core renews it.
constexpr double kRenewBefore = 300;
constexpr double kMostSeconds = 86400;

}  // namespace

Expected<std::string> AccessToken::Get(HttpTransport& http, Clock::time_point now) {
  const MutexLock lock(mutex_);
  if (token_.empty() || now >= renew_) {
    if (Expected<void> exchanged = Exchange(http, now); !exchanged) return Propagate(exchanged);
  }
  return token_;
}

Expected<void> AccessToken::Exchange(HttpTransport& http, Clock::time_point now) {
  const Expected<std::string> identity = ReadSecret(identity_);
  if (!identity) return PropagateFrom("WANDB_IDENTITY_TOKEN_FILE", identity);
  const std::string body =
      "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=" + *identity;
  HttpRequest request;
  request.method = "POST";
  request.url = server_ + "/oidc/token";
  request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
  request.body = body;
  const Expected<HttpResponse> response = http.Send(request);
  if (!response) return Propagate(response);
  const std::string status = "status " + std::to_string(response->status);
  const std::string exchange = "exchanging the token in " + identity_.string();
  if (const Outcome outcome = Judge(response->status); outcome != Outcome::kSuccess) {
    const bool refused = outcome == Outcome::kRefused;
    return Fail(
        refused ? ErrorCode::kConfig : ErrorCode::kIo,
        exchange + (refused ? " was refused by " : " failed at ") + server_ + ": " + status);
  }
  const auto answer = nlohmann::json::parse(response->body, nullptr, false);
  std::string token;
  if (answer.is_object() && answer.contains("access_token") && answer["access_token"].is_string())
    token = answer["access_token"];
  if (!IsSecret(token))
    return Fail(ErrorCode::kIo, exchange + ": " + server_ + " answered without an access_token");
  double seconds = 0;
  if (answer.contains("expires_in") && answer["expires_in"].is_number())
    seconds = std::clamp(answer["expires_in"].get<double>(), 0.0, kMostSeconds);
  token_ = token;
  renew_ = now + std::chrono::milliseconds(
                     static_cast<int64_t>(1000 * std::max(seconds - kRenewBefore, seconds / 2)));
  return {};
}

}  // namespace flarebridge::wandb
