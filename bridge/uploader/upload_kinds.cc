#include "bridge/uploader/upload_kinds.h"

#include <array>
#include <string_view>

#include "bridge/process/environment.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/upload_notes.h"
#include "receivers/wandb/upload/uploads.h"

namespace flarebridge {
namespace {

Expected<std::unique_ptr<UploadPool>> StartWandb(size_t threads, UploadPool::Callbacks callbacks) {
  const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
  if (!account) {
    return Fail(account.error().code, account.error().message +
                                          ". Runs are written all the same; upload them later "
                                          "with: flarebridge sync FOLDER");
  }
  if (callbacks.warn) {
    for (const std::string& words : account->warnings) callbacks.warn(words);
  }
  wandb::UploadChoices choices;
  choices.written_here = true;  // by the bridge's workers
  choices.notes = wandb::NotesFolder(FromEnvironment);
  return wandb::StartUploads(*account, choices, threads, std::move(callbacks));
}

struct Entry {
  std::string_view kind;
  Expected<std::unique_ptr<UploadPool>> (*start)(size_t threads, UploadPool::Callbacks callbacks);
};
constexpr std::array<Entry, 1> kKinds = {{{"wandb", StartWandb}}};

}  // namespace

Expected<std::unique_ptr<UploadPool>> StartUploadKind(const std::string& kind, size_t threads,
                                                      UploadPool::Callbacks callbacks) {
  for (const Entry& entry : kKinds) {
    if (entry.kind == kind) return entry.start(threads, std::move(callbacks));
  }
  return Fail(ErrorCode::kUnsupported, "this version has no uploads of kind \"" + kind + "\"");
}

}  // namespace flarebridge
