#include "receivers/wandb/upload/summary_updates.h"

#include <utility>

#include "receivers/wandb/upload/line_buffer.h"

namespace flarebridge::wandb {
namespace {

constexpr size_t kLarge = size_t{64} << 10;
constexpr std::chrono::seconds kLargeInterval{15};

}  // namespace

std::string SummaryUpdates::Take(std::string text, uint64_t version, Time now) {
  sent_ = version;
  due_ = text.size() > kLarge ? now + kLargeInterval : now;
  too_long_ = text.size() > kMaxLine;
  return too_long_ ? std::string() : std::move(text);
}

}  // namespace flarebridge::wandb
