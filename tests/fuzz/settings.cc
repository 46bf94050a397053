// Small text files: the first byte tells which.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "bridge/curve_keys.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/upload_state.h"

namespace {

namespace fs = std::filesystem;

// A folder in memory where there is one; it lives as long as the program.
const fs::path& Folder() {
  static const fs::path folder = [] {
    const fs::path root = fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    std::string name = (root / "flarebridge-fuzz-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) abort();
    static const fs::path made = name;
    atexit([] { fs::remove_all(made); });
    return made;
  }();
  return folder;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const fs::path log = Folder() / "run-a.wandb";
  switch (data[0] % 3) {
    case 0: {
      const fs::path file = Folder() / "a.key";
      std::ofstream(file, std::ios::binary) << text;
      const auto keys = flarebridge::ReadKeyFile(file);
      if (keys && keys->public_key.size() != 40) __builtin_trap();
      break;
    }
    case 1:
      (void)flarebridge::wandb::PasswordIn(text, "api.wandb.ai");
      break;
    default:
      std::ofstream(flarebridge::wandb::StatePath(log), std::ios::binary) << text;
      (void)flarebridge::wandb::ReadState(log, "https://api.wandb.ai");
  }
  return 0;
}
