#include "bridge/uploads/uploader_program.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace flarebridge {

Expected<std::string> FindUploader() {
  std::error_code failed;
  // The folder holds also when the program in it was replaced meanwhile.
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return Fail(ErrorCode::kConfig, "/proc/self/exe can't be read: " + failed.message());
  const std::filesystem::path program = self.parent_path() / "flarebridge-upload";
  if (access(program.c_str(), X_OK) == 0) return program.string();
  return Fail(ErrorCode::kConfig,
              "uploads need the program " + program.string() +
                  ", which is not there or can't be executed; it comes with flarebridge: install "
                  "that again, or copy it beside " +
                  self.filename().string());
}

}  // namespace flarebridge
