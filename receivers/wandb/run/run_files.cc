#include "receivers/wandb/run/run_files.h"

#include <string>

#include "receivers/files/durable_file.h"
#include "receivers/wandb/log/utf8_cut.h"

namespace flarebridge::wandb {
namespace fs = std::filesystem;

fs::path SafeRelativePath(std::string_view text) {
  constexpr size_t kMaxComponent = 200;  // file systems take 255 bytes
  constexpr int kMaxComponents = 16;
  fs::path path;
  int components = 0;
  while (!text.empty() && components < kMaxComponents) {
    const size_t slash = text.find_first_of("/\\");
    std::string component(FirstBytes(text.substr(0, slash), kMaxComponent));
    text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
    for (char& c : component) {
      if (static_cast<unsigned char>(c) < 0x20) c = '_';
    }
    if (component.empty() || component == "." || component == "..") component = "_";
    path /= component;
    ++components;
  }
  return path.empty() ? fs::path("_") : path;
}

Expected<bool> WriteRunFile(const fs::path& files, const fs::path& relative,
                            std::string_view content) {
  const Expected<void> written = WriteBelow(files, relative, content);
  if (written) return true;
  if (written.error().code == ErrorCode::kInvalidName) return false;
  return Fail(ErrorCode::kIo, "the run's file " + written.error().message);
}

}  // namespace flarebridge::wandb
