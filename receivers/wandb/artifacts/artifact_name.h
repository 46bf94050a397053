// Names of artifacts that a run makes by itself, of keys that may hold anything. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace flarebridge::wandb {

// The name without what W&B takes no such name with; if something was left out, a sum of the whole
// behind it, so that two names stay two (wandb/sdk/artifacts/_internal_artifact.py at 0.31.0). One
// of more than 128 characters, which W&B's client refuses, is cut and has the sum as well.
std::string ArtifactName(std::string_view name);

}  // namespace flarebridge::wandb
