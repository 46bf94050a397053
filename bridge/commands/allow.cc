#include "bridge/commands/allow.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "bridge/commands/class_allow_list.h"
#include "bridge/commands/complain.h"
#include "bridge/process/exit_code.h"
#include "receivers/files/durable_file.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{16} << 20;  // of a file of resources

// The site's resources as NVFlare finds them (apis/workspace.py): resources.json, or in its absence
// resources.json.default.
struct Resources {
  fs::path file;  // where changes go
  fs::path read;  // what is in force
};

bool Exists(const fs::path& path) {
  std::error_code failed;
  return fs::exists(path, failed);
}

Expected<Resources> ResourcesOf(const fs::path& site) {
  const fs::path startup = site / "startup", local = site / "local";
  const fs::path file = local / "resources.json", by_default = local / "resources.json.default";
  if (!Exists(startup / "fed_server.json") && !Exists(startup / "fed_client.json")) {
    return Fail(ErrorCode::kInvalidName,
                "is no folder of an NVFlare server or client: startup/ with fed_server.json or "
                "fed_client.json is not there. Name the folder that startup/ and local/ are in");
  }
  if (Exists(site / "signature.json")) {
    return Fail(ErrorCode::kForbidden,
                "is signed as a whole (signature.json), and a change would break that: let who "
                "provisions it add \"flarebridge.\" to class_allow_list there");
  }
  if (!Exists(file)) {
    if (Exists(by_default)) return Resources{file, by_default};
    return Fail(ErrorCode::kInvalidName,
                "has neither local/resources.json nor local/resources.json.default");
  }
  std::error_code failed;
  const fs::path target = fs::canonical(file, failed);  // a link stays one
  return failed ? Resources{file, file} : Resources{target, target};
}

// The text that is to be there, or what is wrong with the one that is.
Expected<std::string> Changed(const std::string& text, Standing standing, const std::string& list) {
  if (standing == Standing::kNotListed) return WithOurPackage(text);
  if (!list.empty()) return WithNewList(text, list);
  return Fail(ErrorCode::kConfig,
              "has no class_allow_list. NVFlare up to 2.7 needs none: nothing is to be done. From "
              "2.8 on a list takes the place of NVFlare's own, so give that one to begin with: "
              "python3 -c 'import json; from nvflare.app_common.default_component_policy import "
              "DEFAULT_CLASS_ALLOW_LIST as l; print(json.dumps(l))' | flarebridge allow --list - "
              "SITE");
}

// Writes the text, with what was there beside it. Gives what to tell of that.
Expected<std::string> Write(const Resources& resources, const std::string& text) {
  std::string words = "; the file of defaults stays as it is";
  if (resources.read == resources.file) {
    const fs::path kept = FreeName(resources.file.string() + ".before-flarebridge");
    if (const Expected<void> copied = CopyDurably(resources.file, kept); !copied)
      return Propagate(copied);
    words = "; as it was: " + kept.filename().string();
  }
  const Expected<void> written = WriteLike(resources.file, text, resources.read);
  if (!written) return Propagate(written);
  return words;
}

Expected<void> AllowAt(const fs::path& site, const std::string& list, bool dry_run) {
  const Expected<Resources> resources = ResourcesOf(site);
  if (!resources) return FailOf(site.string(), resources);
  const std::string read = resources->read.string();
  const Expected<std::string> text = ReadWhole(resources->read, kMostBytes);
  if (!text) return FailOf(read, text);
  const Expected<Standing> standing = StandingOf(*text);
  if (!standing) return FailOf(read, standing);
  if (*standing == Standing::kAllowed) {
    std::cout << read << ": flarebridge's components are allowed already; nothing is changed\n";
    return {};
  }
  const Expected<std::string> changed = Changed(*text, *standing, list);
  if (!changed) return FailOf(read, changed);
  const std::string made =
      resources->read == resources->file ? "" : ", made of " + resources->read.filename().string();
  const std::string what = resources->file.string() + made;
  if (dry_run) {
    std::cout << what
              << ": \"flarebridge.\" would be added to class_allow_list; nothing is changed\n";
    return {};
  }
  const Expected<std::string> kept = Write(*resources, *changed);
  if (!kept) return Propagate(kept);
  std::cout << what << ": \"flarebridge.\" is added to class_allow_list" << *kept << "\n";
  return {};
}

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
      return kExitData;
    case ErrorCode::kConfig:
    case ErrorCode::kForbidden:
      return kExitConfig;
    case ErrorCode::kInvalidName:
      return kExitNoInput;
    case ErrorCode::kTemporary:
      return kExitTempFail;
    default:
      return kExitIo;
  }
}

Expected<std::string> ReadList(const std::string& from) {
  if (from.empty()) return std::string();
  if (from != "-") {
    Expected<std::string> list = ReadWhole(from, kMostBytes);
    if (!list) return FailOf("--list " + from, list);
    return list;
  }
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

}  // namespace

void AddAllow(CLI::App& app, AllowArguments& to) {
  CLI::App* allow = app.add_subcommand(
      "allow", "Let jobs use flarebridge on NVFlare sites that keep a list of allowed classes");
  allow
      ->add_option("site", to.sites,
                   "Folders of the server or of clients: startup/ and local/ are in them")
      ->required();
  allow->add_option(
      "--list", to.list,
      "File with a JSON list to begin with, where a site has none; - is standard input");
  allow->add_flag("--dry-run", to.dry_run, "Change nothing, and tell what would be");
}

int Allow(const AllowArguments& arguments) {
  const Expected<std::string> list = ReadList(arguments.list);
  if (!list) return Complain(list.error().message, kExitNoInput);
  int status = kExitOk;
  for (const std::string& site : arguments.sites) {
    const Expected<void> allowed = AllowAt(site, *list, arguments.dry_run);
    if (!allowed) status = Complain(allowed.error().message, StatusOf(allowed.error().code));
  }
  return status;
}

}  // namespace flarebridge
