#include "receivers/wandb/upload/row_count.h"

namespace flarebridge::wandb {
namespace {

// The server counts its rows some seconds late.
constexpr std::chrono::seconds kInterval{1};
constexpr std::chrono::seconds kDeadline{30};

}  // namespace

RowCount::Verdict RowCount::Counted(uint64_t counted, uint64_t expected, Time now) {
  if (counted >= expected) {
    settled_ = verified_ = true;
    return Verdict::kEqual;
  }
  if (!deadline_) deadline_ = now + kDeadline;
  due_ = now + kInterval;
  if (now < *deadline_) return Verdict::kAskAgain;
  if (sent_again_) {
    settled_ = true;
    return Verdict::kShort;
  }
  sent_again_ = true;
  deadline_.reset();
  return Verdict::kSendAgain;
}

bool RowCount::Failed(bool refused, Time now) {
  if (!deadline_) deadline_ = now + kDeadline;
  // The upload does not hang on it.
  settled_ = settled_ || refused || now >= *deadline_;
  return settled_;
}

}  // namespace flarebridge::wandb
