// `flarebridge serve`: its options as typed, the checks on them, and how the bridge's process is
// set up before it begins. Used by the command line.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "bridge/bridge.h"
#include "events/error.h"

namespace flarebridge {

// As typed; the command's help says what each means. Times in seconds.
struct ServeArguments {
  std::string state;
  std::string endpoint;
  std::string key;
  std::string clients;
  bool unguarded = false;
  bool own = false;
  bool detach = false;
  int parent = 0;
  int finish_timeout = 10;
  int upload_timeout = 30;
  int session_timeout = 60;
  int forget_after = 600;
  uint64_t journal_mib = 1024;
  uint64_t blob_mib = 8 << 10;
  uint64_t blobs_mib = 64 << 10;
  size_t max_runs = 1000;
  std::vector<std::string> changes;  // RECEIVER.ARGUMENT=VALUE
  bool require_confinement = false;
};

// Declares the command and its options.
void AddServe(CLI::App& app, ServeArguments& to);
// What the bridge is told, checked; makes the state folder and reads the key files. Errors: kConfig
// (options that make no sense), kIo, kTemporary.
Expected<ServeOptions> CheckServe(const ServeArguments& from);
// Runs the bridge until its work is done or a signal ends it. Gives the exit status.
int Serve(const ServeArguments& arguments);

}  // namespace flarebridge
