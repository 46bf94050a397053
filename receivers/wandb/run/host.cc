#include "receivers/wandb/run/host.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "events/names.h"

namespace flarebridge::wandb {
namespace {

// The system's names may be any bytes; a record's texts may not.
std::string TextOrNothing(std::string bytes) { return IsUtf8(bytes) ? std::move(bytes) : ""; }

}  // namespace

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? TextOrNothing(name.data()) : "";
}

std::string Platform() {
  utsname system{};
  return uname(&system) == 0 ? std::string("linux-") + system.machine : "linux";
}

EnvironmentRecord DescribeEnvironment(const RunRecord& run) {
  EnvironmentRecord environment;
  utsname system{};
  if (uname(&system) == 0) {
    environment.os = std::string(system.sysname) + "-" + system.release + "-" + system.machine;
  }
  std::error_code ignored;
  environment.executable =
      TextOrNothing(std::filesystem::read_symlink("/proc/self/exe", ignored).string());
  environment.host = run.host;
  environment.writer_id = run.run_id;
  environment.started_at = run.start_time;
  environment.cpu_count = static_cast<uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) environment.memory_bytes = uint64_t{memory.totalram} * memory.mem_unit;
  return environment;
}

}  // namespace flarebridge::wandb
