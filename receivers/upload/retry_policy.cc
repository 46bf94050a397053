#include "receivers/upload/retry_policy.h"

#include <algorithm>

#include "events/to_integer.h"

namespace flarebridge {

Outcome Judge(long status) {
  if (status >= 200 && status < 300) return Outcome::kSuccess;
  switch (status) {
    case 400:
    case 401:
    case 403:
    case 404:
    case 409:
    case 410:
    case 413:
    case 422:
    case 501:
      return Outcome::kRefused;
    default:
      // No redirection is followed: the key must not go where nobody sent it.
      return status >= 300 && status < 400 ? Outcome::kRefused : Outcome::kRetry;
  }
}

std::chrono::milliseconds WaitBefore(const RetryWaits& waits, unsigned attempt, double random,
                                     std::optional<double> retry_after) {
  constexpr double kLongest = 3600;
  double seconds = std::min(
      waits.first * static_cast<double>(uint64_t{1} << std::min(attempt, 20U)) * (1 + random / 4),
      waits.most);
  if (retry_after && *retry_after >= 0) seconds = std::min(*retry_after, kLongest);
  return std::chrono::milliseconds(ToInteger<int64_t>(seconds * 1000));
}

std::optional<Retries::Time> Retries::Failed(Time now, const RetryWaits& waits, double random,
                                             std::optional<double> retry_after,
                                             std::chrono::seconds retry_for) {
  if (failures_ == 0) since_ = now;
  const Time next = now + WaitBefore(waits, failures_++, random, retry_after);
  if (next > since_ + retry_for) return std::nullopt;
  return next;
}

}  // namespace flarebridge
