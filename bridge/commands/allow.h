// `flarebridge allow`: lets jobs use our components on NVFlare sites that keep a list of allowed
// classes. Used by the command line, by the admin of a site.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace flarebridge {

struct AllowArguments {
  std::vector<std::string> sites;  // folders of provisioned servers and clients
  std::string list;                // a file with the list to begin with; "-": standard input
  bool dry_run = false;
};

// Declares the command and its options.
void AddAllow(CLI::App& app, AllowArguments& to);
// Gives the exit status; of several sites that of the last one that failed.
int Allow(const AllowArguments& arguments);

}  // namespace flarebridge
