#include "receivers/wandb/run/system_metrics.h"

#include <sys/statvfs.h>

#include <array>
#include <limits>
#include <map>
#include <sstream>

#include "receivers/files/open_file.h"

namespace flarebridge::wandb {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kGiB = kMiB * 1024.0;

// What is read of a file at most: lines of a thousand interfaces.
constexpr size_t kMost = size_t{256} << 10;

UniqueFd Open(const char* path) {
  Expected<UniqueFd> file = OpenToRead(path);
  return file ? std::move(*file) : UniqueFd();
}

// The file as it is now; empty if it can't be read. The kernel writes it anew for each read that
// begins at 0.
std::istringstream Now(const UniqueFd& file) {
  std::string text(kMost, 0);
  text.resize(file ? ReadAt(file.get(), 0, text.data(), text.size()).value_or(0) : 0);
  return std::istringstream(std::move(text));
}

// "MemTotal:  25276510 kB" and so on, in bytes.
std::map<std::string, double> MemoryInfo(std::istringstream file) {
  std::map<std::string, double> values;
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::string name;
    double kilobytes = 0;
    if (words >> name >> kilobytes) values[name] = kilobytes * 1024;
  }
  return values;
}

}  // namespace

SystemMetrics::SystemMetrics()
    : processors_(Open("/proc/stat")),
      memory_(Open("/proc/meminfo")),
      network_(Open("/proc/net/dev")),
      ticks_(ReadTicks()),
      traffic_(ReadTraffic()) {}

SystemMetrics::Ticks SystemMetrics::ReadTicks() const {
  // "cpu  user nice system idle iowait irq softirq steal ...", proc(5).
  std::istringstream file = Now(processors_);
  std::string name;
  file >> name;
  Ticks ticks;
  for (int column = 0; column < 8; ++column) {
    uint64_t count = 0;
    if (!(file >> count)) return {};
    ticks.all += count;
    const bool idle = column == 3 || column == 4;
    if (!idle) ticks.busy += count;
  }
  return ticks;
}

SystemMetrics::Traffic SystemMetrics::ReadTraffic() const {
  // Two lines of headings, then "eth0: bytes packets ... (8 columns received) bytes ...", proc(5).
  std::istringstream file = Now(network_);
  file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  Traffic traffic;
  std::string line;
  while (std::getline(file, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, colon).ends_with(" lo")) continue;
    std::istringstream columns(line.substr(colon + 1));
    std::array<uint64_t, 9> counts{};
    for (uint64_t& count : counts) columns >> count;
    if (!columns) continue;
    traffic.received += counts[0];
    traffic.sent += counts[8];
  }
  return traffic;
}

std::vector<std::pair<std::string, double>> SystemMetrics::Sample() {
  std::vector<std::pair<std::string, double>> values;
  const Ticks ticks = ReadTicks();
  if (ticks.all > ticks_.all) {
    values.emplace_back("cpu", 100.0 * static_cast<double>(ticks.busy - ticks_.busy) /
                                   static_cast<double>(ticks.all - ticks_.all));
  }
  ticks_ = ticks;
  const std::map<std::string, double> memory = MemoryInfo(Now(memory_));
  const auto total = memory.find("MemTotal:"), available = memory.find("MemAvailable:");
  if (total != memory.end() && available != memory.end() && total->second > 0) {
    values.emplace_back("memory_percent", 100 * (1 - available->second / total->second));
    values.emplace_back("proc.memory.availableMB", available->second / kMiB);
  }
  struct statvfs disk {};
  if (statvfs("/", &disk) == 0 && disk.f_blocks > 0) {
    const auto used = static_cast<double>(disk.f_blocks - disk.f_bfree);
    values.emplace_back("disk./.usagePercent", 100 * used / static_cast<double>(disk.f_blocks));
    values.emplace_back("disk./.usageGB", used * static_cast<double>(disk.f_frsize) / kGiB);
  }
  const Traffic traffic = ReadTraffic();
  // An interface that goes takes its counts with it.
  if (traffic.sent >= traffic_.sent && traffic.received >= traffic_.received) {
    values.emplace_back("network.sent", static_cast<double>(traffic.sent - traffic_.sent));
    values.emplace_back("network.recv", static_cast<double>(traffic.received - traffic_.received));
  }
  return values;
}

}  // namespace flarebridge::wandb
