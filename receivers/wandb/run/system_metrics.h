// How busy this machine is, under the names that W&B's pages know (core/internal/monitor at
// 0.28.3), read from /proc. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "receivers/files/unique_fd.h"

namespace flarebridge::wandb {

class SystemMetrics {
 public:
  // Rates and sums count from here.
  SystemMetrics();

  // Name and value. What this machine does not tell is left out.
  //   cpu                         % of all processors, since the last call
  //   memory_percent              % of the memory in use
  //   proc.memory.availableMB     memory that programs can still get
  //   disk./.usagePercent, .usageGB  of the root file system
  //   network.sent, network.recv  bytes since the beginning, of all interfaces but the loopback
  std::vector<std::pair<std::string, double>> Sample();

 private:
  struct Ticks {
    uint64_t busy = 0, all = 0;
  };
  struct Traffic {
    uint64_t sent = 0, received = 0;
  };
  Ticks ReadTicks() const;
  Traffic ReadTraffic() const;

  UniqueFd processors_, memory_, network_;  // files of /proc; nothing where it has none
  Ticks ticks_;
  Traffic traffic_;
};

}  // namespace flarebridge::wandb
