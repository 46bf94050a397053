#include "receivers/wandb/upload/stream_pace.h"

#include <algorithm>

namespace flarebridge::wandb {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

// Between requests to the file stream of one run: W&B publishes 2 a second. Requests that are full
// go one behind the other, as its own client's (transmitloop.go at 0.28.3), unless the server says
// that they are too many.
constexpr milliseconds kGap{500};
// While lines come in all the time, they are gathered this long (seconds); after a quiet time the
// first ones go at once (kCredit of them).
constexpr double kInterval = 2.0, kCredit = 5;
// A run of which nothing is heard is shown as crashed after minutes; W&B's own client reports this
// often (filestream.go at 0.28.3).
constexpr std::chrono::seconds kAliveInterval{30};

}  // namespace

void StreamPace::Begin(Time now) {
  credit_ = kCredit;
  credit_at_ = now;
}

void StreamPace::Sent(Time now, bool full) {
  const double passed = duration<double>(now - credit_at_).count();
  // Nobody owes more than one: a backlog's many full requests are no reason to be silent behind it.
  credit_ = std::max(std::min(kCredit, credit_ + passed / kInterval) - 1, -1.0);
  credit_at_ = now;
  due_ = soonest_ = full && !slowed_ ? now : now + kGap;
  alive_due_ = now + kAliveInterval;
  if (full || credit_ >= 0) return;
  due_ = std::max(due_, now + duration_cast<milliseconds>(duration<double>(-credit_ * kInterval)));
}

}  // namespace flarebridge::wandb
