#include "receivers/wandb/run/run_files.h"

#include <sodium.h>

#include <array>
#include <string>

#include "receivers/files/durable_file.h"
#include "receivers/wandb/log/utf8_cut.h"

namespace flarebridge::wandb {
namespace fs = std::filesystem;

fs::path SafeRelativePath(std::string_view text, std::string_view suffix) {
  constexpr size_t kMaxComponent = 200;  // file systems take 255 bytes
  constexpr int kMaxComponents = 16;
  fs::path path;
  for (int components = 1; components <= kMaxComponents; ++components) {
    const size_t slash = text.find_first_of("/\\");
    const bool last = slash == std::string_view::npos || components == kMaxComponents;
    const size_t most = kMaxComponent - (last ? suffix.size() : 0);
    std::string component(FirstBytes(text.substr(0, slash), most));
    for (char& c : component) {
      if (static_cast<unsigned char>(c) < 0x20) c = '_';
    }
    if (last) component += suffix;
    if (component.empty() || component == "." || component == "..") component = "_";
    path /= component;
    if (last) break;
    text.remove_prefix(slash + 1);
    // A slash at the end begins no component, but for the suffix.
    if (text.empty() && suffix.empty()) break;
  }
  return path;
}

fs::path MediaPath(std::string_view folder, std::string_view key, std::optional<int64_t> step,
                   uint64_t position, std::string_view sha256, std::string_view extension) {
  const std::string number = step ? std::to_string(*step) : "p" + std::to_string(position);
  return fs::path("media") / folder /
         SafeRelativePath(
             key, "_" + number + "_" + std::string(sha256.substr(0, 20)) + std::string(extension));
}

std::string HexSha256(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                     bytes.size());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
  return hex.data();
}

Expected<bool> WriteRunFile(const fs::path& files, const fs::path& relative,
                            std::string_view content) {
  const Expected<void> written = WriteBelow(files, relative, content);
  if (written) return true;
  if (written.error().code == ErrorCode::kInvalidName) return false;
  return Fail(ErrorCode::kIo, "the run's file " + written.error().message);
}

}  // namespace flarebridge::wandb
