#include "receivers/wandb/upload/upload_state.h"

#include <nlohmann/json.hpp>

#include "receivers/files/durable_file.h"
#include "receivers/files/open_file.h"

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

Json JsonOf(const SentParts& parts) {
  return {{"artifact", parts.artifact}, {"storage_path", parts.storage_path},
          {"upload", parts.upload},     {"headers", parts.headers},
          {"urls", parts.urls},         {"sums", parts.sums},
          {"etags", parts.etags},       {"bytes", parts.bytes}};
}

// Throws Json::exception.
SentParts PartsIn(const Json& json) {
  SentParts parts;
  parts.artifact = json.at("artifact").get<std::string>();
  parts.storage_path = json.at("storage_path").get<std::string>();
  parts.upload = json.at("upload").get<std::string>();
  parts.headers = json.at("headers").get<std::vector<std::string>>();
  parts.urls = json.at("urls").get<std::vector<std::string>>();
  parts.sums = json.at("sums").get<std::vector<std::string>>();
  parts.etags = json.at("etags").get<std::vector<std::string>>();
  parts.bytes = json.at("bytes").get_ref<const Json::number_unsigned_t&>();
  return parts;
}

// One number for each part; what does not fit together is left out, and begun anew.
bool FitTogether(const SentParts& parts) {
  const size_t count = parts.urls.size();
  return parts.bytes > 0 && parts.sums.size() == count && parts.etags.size() == count;
}

}  // namespace

fs::path StatePath(const fs::path& log) { return log.string() + ".upload"; }
fs::path MarkPath(const fs::path& log) { return log.string() + ".synced"; }

std::optional<UploadState> ParseState(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  UploadState state;
  try {
    state.server = json.at("server").get<std::string>();
    state.run = json.at("run").get<std::string>();
    state.lines = CountsIn(json.at("lines"));
    state.files = CountsIn(json.at("files"));
    state.unreported = json.at("unreported").get<std::vector<std::string>>();
    // Since the version after 0.1.0.
    if (json.contains("base")) state.base = CountsIn(json.at("base"));
    if (json.contains("first_step")) state.first_step = json.at("first_step").get<int64_t>();
    if (json.contains("alerts"))
      state.alerts = json.at("alerts").get_ref<const Json::number_unsigned_t&>();
    if (json.contains("sent")) state.sent = json.at("sent").get<decltype(state.sent)>();
    if (json.contains("artifacts"))
      state.artifacts = json.at("artifacts").get<std::set<std::string>>();
    const Json all_parts = json.value("parts", Json::object());
    for (const auto& [key, value] : all_parts.items()) {
      if (const SentParts parts = PartsIn(value); FitTogether(parts)) state.parts[key] = parts;
    }
    if (json.contains("noted"))
      state.noted = json.at("noted").get_ref<const Json::number_unsigned_t&>();
  } catch (const Json::exception&) {
    return std::nullopt;
  }
  return state;
}

std::string StateText(const UploadState& state) {
  Json json = {{"server", state.server}, {"run", state.run},   {"lines", state.lines},
               {"files", state.files},   {"sent", state.sent}, {"unreported", state.unreported},
               {"noted", state.noted}};
  if (state.base) json["base"] = *state.base;
  if (state.first_step) json["first_step"] = *state.first_step;
  if (state.alerts > 0) json["alerts"] = state.alerts;
  if (!state.artifacts.empty()) json["artifacts"] = state.artifacts;
  for (const auto& [key, parts] : state.parts) json["parts"][key] = JsonOf(parts);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<UploadState> ReadState(const fs::path& log) {
  const Expected<std::string> text = ReadWhole(StatePath(log), kMostStateBytes);
  return text ? ParseState(*text) : std::nullopt;
}

UploadState ReadState(const fs::path& log, const std::string& server) {
  std::optional<UploadState> state = ReadState(log);
  if (state && state->server == server) return std::move(*state);
  UploadState none;
  none.server = server;
  return none;
}

Expected<void> WriteState(const fs::path& log, const UploadState& state) {
  // Readable as the log is, for whoever goes on with the upload.
  const Expected<void> written = WriteDurably(StatePath(log), StateText(state) + "\n", 0666);
  if (!written) return Fail(ErrorCode::kIo, written.error().message);
  return {};
}

}  // namespace flarebridge::wandb
