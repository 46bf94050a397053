// `flarebridge sync`: uploads run folders to W&B, without Python and without the wandb program.
// Used by the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace flarebridge {

struct SyncArguments {
  std::vector<std::string> paths;
  bool dry_run = false;
  bool again = false;
  bool watch = false;
  int jobs = 4;
  int retry_for = 600;
  std::string entity, project;
};

// Declares the command and its options.
void AddSync(CLI::App& app, SyncArguments& to);
// Gives the exit status. SIGINT and SIGTERM end it; what the server has confirmed stays so.
int Sync(const SyncArguments& arguments);

}  // namespace flarebridge
