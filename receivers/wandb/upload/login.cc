#include "receivers/wandb/upload/login.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "receivers/files/durable_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/upload/netrc.h"
#include "receivers/wandb/upload/settings_files.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{16} << 20;

bool IsWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

// Three words with dots between them, which W&B's client takes as a key, too.
bool IsJwt(std::string_view key) {
  const size_t first = key.find('.'), second = key.find('.', first + 1);
  return first != std::string_view::npos && second != std::string_view::npos &&
         IsWord(key.substr(0, first)) && IsWord(key.substr(first + 1, second - first - 1)) &&
         IsWord(key.substr(second + 1));
}

// A small file of the user's: what it holds and who may read it.
struct OldFile {
  fs::path path;  // behind links
  std::string text;
  mode_t rights = 0600;
  bool there = false;
};

Expected<OldFile> ReadOld(const fs::path& path) {
  OldFile old;
  std::error_code failed;
  old.path = fs::weakly_canonical(path, failed);
  if (failed) old.path = path;
  if (!fs::exists(old.path, failed)) return old;
  Expected<std::string> text = ReadWhole(old.path, kMostBytes);
  if (!text) return Fail(text.error().code, old.path.string() + " " + text.error().message);
  const Expected<FileInfo> info = InfoOf(old.path);
  if (!info) return Fail(info.error().code, old.path.string() + " " + info.error().message);
  old.text = std::move(*text);
  old.rights = info->rights;
  old.there = true;
  return old;
}

// Writes base_url into a settings file, or takes it out (nothing).
Expected<void> WriteServer(const fs::path& path, const std::optional<std::string>& url) {
  const Expected<OldFile> old = ReadOld(path);
  if (!old) return Propagate(old);
  const Expected<Settings> settings = ParseSettings(old->text, old->path.string());
  if (!settings) return Propagate(settings);
  const std::string text = WithSetting(old->text, "base_url", url);
  if (text == old->text) return {};
  return WriteDurably(old->path, text, old->there ? old->rights : 0644);
}

}  // namespace

std::optional<std::string> WhatIsWrongWith(const std::string& key) {
  constexpr size_t kLeast = 40;
  if (key.empty()) return "the API key is empty";
  if (IsJwt(key)) return std::nullopt;
  const std::string secret = key.substr(key.find('-') + 1);  // behind a prefix, as "local-"
  if (!IsWord(secret)) return "an API key has letters, digits, - and _ only; this is none";
  if (secret.size() >= kLeast) return std::nullopt;
  return "an API key has 40 letters or more; this one has " + std::to_string(secret.size()) +
         ", so a part of it is missing";
}

Expected<fs::path> StoreKey(const Environment& environment, const ServerUrl& server,
                            const std::string& key) {
  const fs::path path = NetrcPath(environment);
  if (path.empty())
    return Fail(ErrorCode::kConfig, "HOME is not set: there is no place for the API key");
  const Expected<OldFile> old = ReadOld(path);
  if (!old) return Propagate(old);
  constexpr mode_t kOwner = 0700;
  const std::string text = WithPassword(old->text, server.machine, key);
  if (Expected<void> written = WriteDurably(old->path, text, old->rights & kOwner); !written)
    return Propagate(written);
  return path;
}

Expected<fs::path> StoreServer(const Environment& environment, const ServerUrl& server) {
  const fs::path global = GlobalSettingsPath(environment);
  if (global.empty())
    return Fail(ErrorCode::kConfig, "HOME is not set: there is no place for W&B's settings");
  const std::string other = "https://" + OtherMachineOf(server.machine);
  const bool is_default = server.url == kDefaultServer || other == kDefaultServer;
  if (Expected<void> cleared = WriteServer(LocalSettingsPath(environment), std::nullopt); !cleared)
    return Propagate(cleared);
  const auto url = is_default ? std::nullopt : std::optional(server.url);
  if (Expected<void> written = WriteServer(global, url); !written) return Propagate(written);
  return is_default ? fs::path() : global;
}

}  // namespace flarebridge::wandb
