// Small text files: the first byte tells which.
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "bridge/commands/command_line.h"
#include "bridge/link/curve_keys.h"
#include "bridge/process/exit_code.h"
#include "receivers/wandb/upload/netrc.h"
#include "receivers/wandb/upload/server_url.h"
#include "receivers/wandb/upload/settings_files.h"
#include "receivers/wandb/upload/upload_state.h"
#include "tests/fuzz/scratch_folder.h"

namespace {

namespace fs = std::filesystem;

// The options of `serve` from a file, read before a command that does nothing here.
void ReadConfiguration(const std::string& text) {
  // What it says is not looked at.
  std::cout.rdbuf(nullptr);
  std::cerr.rdbuf(nullptr);
  std::string config = ScratchFolder() / "bridge.toml", empty = ScratchFolder() / "empty";
  fs::create_directory(empty);
  std::ofstream(config, std::ios::binary) << text;
  std::array<std::string, 4> words = {"flarebridge", "check", empty, "--config=" + config};
  std::array<char*, 5> arguments{};
  for (size_t i = 0; i < words.size(); ++i) arguments.at(i) = words.at(i).data();
  const int status = flarebridge::RunCommandLine(static_cast<int>(words.size()), arguments.data());
  if (status == flarebridge::kExitInternal) __builtin_trap();
}

// Files of W&B's client, read and written.
void ReadAccountFiles(const std::string& text) {
  using namespace flarebridge::wandb;
  (void)ParseServerUrl(text);
  (void)ParseSettings(text, "settings");
  (void)ParseSettings(WithSetting(text, "base_url", "https://h"), "settings");
  (void)PasswordIn(text, "api.wandb.ai");
  (void)PasswordIn(WithPassword(text, "api.wandb.ai", "key"), "api.wandb.ai");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const fs::path log = ScratchFolder() / "run-a.wandb";
  switch (data[0] % 4) {
    case 0: {
      const fs::path file = ScratchFolder() / "a.key";
      std::ofstream(file, std::ios::binary) << text;
      const auto keys = flarebridge::ReadKeyFile(file);
      if (keys && keys->public_key.size() != 40) __builtin_trap();
      break;
    }
    case 1:
      ReadAccountFiles(text);
      break;
    case 3:
      ReadConfiguration(text);
      break;
    default:
      std::ofstream(flarebridge::wandb::StatePath(log), std::ios::binary) << text;
      (void)flarebridge::wandb::ReadState(log, "https://api.wandb.ai");
  }
  return 0;
}
