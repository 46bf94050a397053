#include "events/event.h"

#include <array>

namespace flarebridge {

std::string_view NameOf(DataType type) {
  static constexpr std::array<std::string_view, kLastDataType + 1> kNames = {
      "UNKNOWN",    "SCALAR",    "SCALARS", "METRIC",   "METRICS", "PARAMETER",
      "PARAMETERS", "TAG",       "TAGS",    "TEXT",     "IMAGE",   "MODEL",
      "LOG_RECORD", "INIT_DATA", "MEDIA",   "OPERATION"};
  return kNames[static_cast<uint8_t>(type)];
}

std::string_view NameOf(Writer writer) {
  static constexpr std::array<std::string_view, kLastWriter + 1> kNames = {"UNKNOWN", "TORCH_TB",
                                                                           "MLFLOW", "WANDB"};
  return kNames[static_cast<uint8_t>(writer)];
}

std::string_view SiteOf(const Event& event) {
  if (const auto* data = std::get_if<Data>(&event)) return data->site;
  if (const auto* started = std::get_if<RunStarted>(&event)) return started->site;
  if (const auto* ended = std::get_if<RunEnded>(&event)) return ended->site;
  return {};
}

}  // namespace flarebridge
