// What a run says of the machine and the program that write it. Any thread.
#pragma once

#include <string>

#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

// Empty if the system has none, or one that is not text.
std::string HostName();
// "linux-x86_64".
std::string Platform();
EnvironmentRecord DescribeEnvironment(const RunRecord& run);

}  // namespace flarebridge::wandb
