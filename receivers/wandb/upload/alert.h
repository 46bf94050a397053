// An alert that a training script has raised (run.alert), as a log holds it and the server sends it
// on to people. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

struct Alert {
  std::string title, text;
  std::string severity = "INFO";  // or WARN, ERROR: what the server knows
  int64_t wait_duration = 0;      // milliseconds until one of the same title is sent again
};

// Of an AlertRecord's bytes; nothing if these are none.
std::optional<Alert> ParseAlert(std::string_view alert_record);

}  // namespace flarebridge::wandb
