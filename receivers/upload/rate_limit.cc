#include "receivers/upload/rate_limit.h"

#include <algorithm>

namespace flarebridge {
namespace {

// Requests that may be made at once after a pause.
constexpr double kBurst = 10;
// A request that was taken makes up for this part of a refused one.
constexpr double kRecovery = 0.1;
// The longest that one answer may stop all uploads, in seconds.
constexpr double kLongestPause = 3600;

std::chrono::steady_clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(
      std::chrono::duration<double>(seconds));
}

}  // namespace

std::optional<RateLimit::Time> RateLimit::Take(Time now) {
  const MutexLock lock(mutex_);
  if (next_ > now) return next_;
  next_ = std::max(next_, now - Seconds(kBurst / rate_)) + Seconds(1 / rate_);
  return std::nullopt;
}

void RateLimit::Busy(Time now, std::optional<double> retry_after) {
  const MutexLock lock(mutex_);
  // Requests that were on their way together are refused together: that counts once.
  if (now - slowed_ >= Seconds(1)) rate_ = std::max(kLeast, rate_ / 2);
  slowed_ = now;
  const double pause = std::clamp(retry_after.value_or(0), 1 / rate_, kLongestPause);
  next_ = std::max(next_, now + Seconds(pause));
}

void RateLimit::Taken(Time now, std::optional<double> remaining, std::optional<double> reset) {
  const MutexLock lock(mutex_);
  rate_ = std::min(kMost, rate_ + kRecovery * rate_);
  if (!remaining || !reset || *remaining < 0 || *reset <= 0) return;
  // What is left is spread over the time until it is renewed.
  const double allowed = *remaining / *reset;
  if (allowed < rate_) rate_ = std::max(kLeast, allowed);
  if (*remaining < 1) next_ = std::max(next_, now + Seconds(std::min(*reset, kLongestPause)));
}

}  // namespace flarebridge
