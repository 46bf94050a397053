#include "receivers/files/find_files.h"

#include <algorithm>
#include <system_error>

namespace flarebridge {

namespace fs = std::filesystem;

Expected<std::vector<fs::path>> FindFiles(const fs::path& path,
                                          const std::function<bool(const fs::path&)>& wanted) {
  std::error_code failed;
  const fs::path start = fs::canonical(path, failed);  // `latest-run` is a link
  if (failed) return Fail(ErrorCode::kIo, path.string() + ": " + failed.message());
  if (fs::is_regular_file(start, failed)) return std::vector<fs::path>{start};
  std::vector<fs::path> files;
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;
  fs::recursive_directory_iterator entries(start, kSkip, failed);
  for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
    std::error_code ignored;
    if (entries->is_regular_file(ignored) && wanted(entries->path()))
      files.push_back(entries->path());
  }
  if (failed) return Fail(ErrorCode::kIo, start.string() + ": " + failed.message());
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace flarebridge
