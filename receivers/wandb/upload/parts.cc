#include "receivers/wandb/upload/parts.h"

#include <algorithm>
#include <limits>
#include <system_error>

#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "receivers/wandb/upload/log_follower.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// What orders the folders of one run: "20260821_100000-<id>", then what was appended to the name
// when it was set aside, or a letter behind all of those. Empty if it is no run's.
std::pair<std::string, std::string> OrderOf(const fs::path& folder) {
  std::string name = folder.filename().string();
  std::string aside = "~";
  if (const size_t damaged = name.find(".damaged"); damaged != std::string::npos) {
    aside = name.substr(damaged);
    name.resize(damaged);
  }
  return {TimeAndId(name), aside};
}

}  // namespace

std::vector<fs::path> PartsOf(const fs::path& log) {
  std::vector<fs::path> parts = {log};
  if (OrderOf(log.parent_path()).first.empty()) return parts;
  std::error_code failed;
  fs::directory_iterator entries(fs::absolute(log).parent_path().parent_path(), failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    std::error_code ignored;
    const fs::path other = entries->path() / log.filename();
    if (OrderOf(entries->path()).first.empty() || entries->is_symlink(ignored) ||
        entries->path().filename() == log.parent_path().filename() ||
        !fs::is_regular_file(other, ignored))
      continue;
    parts.push_back(other);
  }
  std::sort(parts.begin(), parts.end(), [](const fs::path& a, const fs::path& b) {
    return OrderOf(a.parent_path()) < OrderOf(b.parent_path());
  });
  return parts;
}

Expected<std::map<std::string, uint64_t>> CountLines(const fs::path& log) {
  LogFollower follower(log);
  // All count as sent: none is kept.
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  LineBuffer lines({{kHistoryStream, kAll}, {kEventsStream, kAll}, {kConsoleStream, kAll}});
  const Expected<LogFollower::End> end = follower.Read([&](const ParsedRecord& record) {
    lines.Take(record, 0);
    return true;
  });
  if (!end) return Propagate(end);
  return lines.seen();
}

Expected<EarlierParts> FindEarlierParts(const fs::path& log, const std::string& server) {
  const std::vector<fs::path> parts = PartsOf(log);
  const auto own = std::find_if(parts.begin(), parts.end(), [&](const fs::path& part) {
    return part.parent_path().filename() == log.parent_path().filename();
  });
  EarlierParts earlier;
  earlier.superseded = own != parts.end() && own + 1 != parts.end();
  for (auto part = parts.begin(); part != own; ++part) {
    const Expected<std::map<std::string, uint64_t>> lines = CountLines(*part);
    if (!lines) return Propagate(lines);
    if (RowsIn(ReadState(*part, server).lines) < RowsIn(*lines)) {
      earlier.unfinished = *part;
      return earlier;
    }
    for (const auto& [stream, count] : *lines) earlier.lines[stream] += count;
  }
  return earlier;
}

uint64_t RowsIn(const std::map<std::string, uint64_t>& lines) {
  const auto rows = lines.find(kHistoryStream);
  return rows == lines.end() ? 0 : rows->second;
}

}  // namespace flarebridge::wandb
