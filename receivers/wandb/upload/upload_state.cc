#include "receivers/wandb/upload/upload_state.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {

namespace fs = std::filesystem;
using Json = nlohmann::json;

namespace {

// A number that is none of ours, as 3e70, is no count. Throws Json::exception as get() does.
std::map<std::string, uint64_t> CountsIn(const Json& json) {
  std::map<std::string, uint64_t> counts;
  for (const auto& [name, count] : json.items())
    counts[name] = count.get_ref<const Json::number_unsigned_t&>();
  return counts;
}

}  // namespace

fs::path StatePath(const fs::path& log) { return log.string() + ".upload"; }

UploadState ReadState(const fs::path& log, const std::string& server) {
  UploadState state;
  state.server = server;
  std::ifstream file(StatePath(log));
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) return state;
  const Json json = Json::parse(text.str(), nullptr, false);
  try {
    if (!json.is_object() || json.at("server") != server) return state;
    state.run = json.at("run").get<std::string>();
    state.lines = CountsIn(json.at("lines"));
    state.files = CountsIn(json.at("files"));
    state.unreported = json.at("unreported").get<std::vector<std::string>>();
  } catch (const Json::exception&) {
    state = UploadState();
    state.server = server;
  }
  return state;
}

Expected<void> WriteState(const fs::path& log, const UploadState& state) {
  const Json json = {{"server", state.server},
                     {"run", state.run},
                     {"lines", state.lines},
                     {"files", state.files},
                     {"unreported", state.unreported}};
  const fs::path draft = StatePath(log).filename().string() + ".new";
  // Whole and synced under another name first.
  const Expected<bool> written = WriteRunFile(
      log.parent_path(), draft, json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  if (!written) return Propagate(written);
  std::error_code failed;
  if (*written) fs::rename(log.parent_path() / draft, StatePath(log), failed);
  if (!*written || failed) {
    return Fail(ErrorCode::kIo, StatePath(log).string() + " can't be written: " +
                                    (failed ? failed.message() : "its name is taken"));
  }
  return {};
}

}  // namespace flarebridge::wandb
