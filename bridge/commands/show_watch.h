// `flarebridge show --watch`: the list of runs with their last values or their curves, which
// changes as they do. Used by `show`.
#pragma once

#include <string>

#include "bridge/commands/show_plot.h"

namespace flarebridge {

struct WatchChoice {
  std::string place;   // where runs are
  std::string run;     // which of them ("": all)
  double seconds = 2;  // between two looks
  bool plots = false;
  PlotChoice plot;
};

// Until a signal ends the process. Gives the exit status where nothing can be watched.
int WatchRuns(const WatchChoice& choice);

}  // namespace flarebridge
