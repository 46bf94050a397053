#include "receivers/wandb/upload/retry_policy.h"

#include <algorithm>

namespace flarebridge::wandb {

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
      return Outcome::kRetry;
  }
}

std::chrono::milliseconds WaitBefore(unsigned attempt, double random,
                                     std::optional<double> retry_after) {
  constexpr double kFirst = 2000, kMost = 60000, kLongest = 3600000;
  if (retry_after && *retry_after >= 0) {
    return std::chrono::milliseconds(static_cast<int64_t>(std::min(*retry_after * 1000, kLongest)));
  }
  const double doubled = kFirst * static_cast<double>(uint64_t{1} << std::min(attempt, 10U));
  return std::chrono::milliseconds(
      static_cast<int64_t>(std::min(doubled * (1 + random / 4), kMost)));
}

}  // namespace flarebridge::wandb
