// wandb-metadata.json, which W&B's pages show as a run's environment, made of the log's
// EnvironmentRecord. Names and numbers of fields: wandb_internal.proto at 0.31.0. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace flarebridge::wandb {

// The record's content as JSON, as protojson writes it (64-bit numbers as texts); fields that are
// not known here are left out. Empty if the bytes are no message.
std::string MetadataJson(std::string_view environment_record);

}  // namespace flarebridge::wandb
