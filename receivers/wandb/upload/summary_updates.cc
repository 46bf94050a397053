#include "receivers/wandb/upload/summary_updates.h"

#include <utility>

#include "receivers/wandb/upload/line_buffer.h"

namespace flarebridge::wandb {
namespace {

constexpr size_t kLarge = size_t{64} << 10;
constexpr std::chrono::seconds kLargeInterval{15};

}  // namespace

std::string SummaryUpdates::Take(std::string text, uint64_t version) {
  sent_ = version;
  large_ = text.size() > kLarge;
  too_long_ = text.size() > kMaxLine;
  return too_long_ ? std::string() : std::move(text);
}

void SummaryUpdates::Confirm(Time now) {
  if (confirmed_ == sent_) return;
  confirmed_ = sent_;
  due_ = large_ ? now + kLargeInterval : now;
}

}  // namespace flarebridge::wandb
