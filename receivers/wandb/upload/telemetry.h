// What a run's client has used, as its log tells it and as a run's config carries it to the server:
// `_wandb.t`, whose members are named by the field numbers of TelemetryRecord
// (corelib/protolib.go at 0.28.3). Without it a run is never resumed (runbranch/resume.go). One
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

class Telemetry {
 public:
  // A TelemetryRecord's bytes; those that are none change nothing. A later one adds to an earlier.
  void Take(std::string_view telemetry_record);
  std::string Json() const;
  // Of W&B's client, or of flarebridge, that wrote the log; empty if it does not say.
  std::string cli_version() const { return Text(5); }
  std::string python_version() const { return Text(4); }

 private:
  std::string Text(uint32_t field) const;

  std::map<uint32_t, std::string> texts_;
  std::map<uint32_t, std::set<uint32_t>> flags_;  // of a message of flags: those that are set
  std::map<uint32_t, std::string> labels_;
};

}  // namespace flarebridge::wandb
