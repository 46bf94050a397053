#include "receivers/wandb/upload/alert.h"

#include <exception>

#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

// Fields of AlertRecord (wandb_internal.proto at 0.31.0).
constexpr uint32_t kTitle = 1, kText = 2, kLevel = 3, kWaitDuration = 4;

}  // namespace

std::optional<Alert> ParseAlert(std::string_view alert_record) {
  Alert alert;
  try {
    protozero::pbf_reader message(alert_record.data(), alert_record.size());
    while (message.next()) {
      switch (message.tag()) {
        case kTitle:
          alert.title = message.get_string();
          break;
        case kText:
          alert.text = message.get_string();
          break;
        case kLevel: {
          const std::string level = message.get_string();
          if (level == "WARN" || level == "ERROR") alert.severity = level;
          break;
        }
        case kWaitDuration:
          alert.wait_duration = message.get_int64();
          break;
        default:
          message.skip();
      }
    }
  } catch (const std::exception&) {
    return std::nullopt;  // protozero: these bytes are no message
  }
  return alert;
}

}  // namespace flarebridge::wandb
