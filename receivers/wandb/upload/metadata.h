// wandb-metadata.json, which W&B's pages show as a run's environment, made of the log's
// EnvironmentRecord. Names and numbers of fields: wandb_internal.proto at 0.31.0. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

namespace environment_field {  // EnvironmentRecord
inline constexpr uint32_t kProgram = 6, kWriter = 199;
}

// The record's content as JSON, as protojson writes it (64-bit numbers as texts); fields that are
// not known here are left out. Empty if the bytes are no message.
std::string MetadataJson(std::string_view environment_record);
// One of its texts; empty if it has none.
std::string EnvironmentText(std::string_view environment_record, uint32_t field);

}  // namespace flarebridge::wandb
