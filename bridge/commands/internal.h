// `flarebridge worker`: what the bridge starts, not a person. It finds its descriptors where
// ChildProcess puts them. Used by the command line.
#pragma once

#include <CLI/App.hpp>

namespace flarebridge {

struct WorkerArguments {
  bool require_confinement = false;
};

// Declares the command.
void AddWorker(CLI::App& app, WorkerArguments& to);
// Gives the exit status; kExitUsage where a person has started it.
int Worker(const WorkerArguments& arguments);

}  // namespace flarebridge
