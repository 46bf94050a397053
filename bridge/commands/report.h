// `flarebridge report`: runs as one HTML file, with a chart of each metric, that needs no network
// and no server. Used by the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace flarebridge {

struct ReportArguments {
  std::vector<std::string> paths;
  std::string output = "report.html";
};

// Declares the command and its options.
void AddReport(CLI::App& app, ReportArguments& to);
// Gives the exit status.
int Report(const ReportArguments& arguments);

}  // namespace flarebridge
