// `flarebridge show`: what is in a run log, in the terminal, without W&B and without an account: as
// a table, as JSON or as CSV. Used by the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "bridge/commands/show_plot.h"

namespace flarebridge {

struct ShowArguments {
  std::vector<std::string> words;  // a place, and which of its runs
  bool json = false;
  bool csv = false;
  int rows = 20;
  int wait = 0;
  bool watch = false;
  double every = 2;  // seconds
  bool plots = false;
  PlotChoice plot;
};

// Declares the command and its options.
void AddShow(CLI::App& app, ShowArguments& to);
// Gives the exit status.
int Show(const ShowArguments& arguments);

}  // namespace flarebridge
