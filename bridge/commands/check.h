// `flarebridge check`: are run logs and journals whole, and what is to be done if not. Used by the
// command line.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace flarebridge {

struct CheckArguments {
  std::vector<std::string> paths;
  bool repair = false;
};

// Declares the command and its options.
void AddCheck(CLI::App& app, CheckArguments& to);
// Gives the exit status.
int Check(const CheckArguments& arguments);

}  // namespace flarebridge
