// `flarebridge worker` and `flarebridge upload`: what the bridge starts, not a person. Each finds
// its descriptors where ChildProcess puts them. Used by the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace flarebridge {

struct WorkerArguments {};
struct UploadArguments {
  std::string queue;  // its folder
};

// Declare the commands and their options.
void AddWorker(CLI::App& app, WorkerArguments& to);
void AddUpload(CLI::App& app, UploadArguments& to);
// Give the exit status; kExitUsage where a person has started them.
int Worker(const WorkerArguments& arguments);
int Upload(const UploadArguments& arguments);

}  // namespace flarebridge
