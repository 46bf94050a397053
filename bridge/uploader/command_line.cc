#include "bridge/uploader/command_line.h"

#include <fcntl.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <string>

#include "bridge/commands/complain.h"
#include "bridge/commands/upload_commands.h"
#include "bridge/process/child_process.h"
#include "bridge/process/descriptor_limit.h"
#include "bridge/process/exit_code.h"
#include "bridge/uploader/clean.h"
#include "bridge/uploader/login.h"
#include "bridge/uploader/sync.h"
#include "bridge/uploader/upload_process.h"

namespace flarebridge {
namespace {

// A request's body has some MiB. Once one of them was freed, the C library would keep such pieces
// in the heaps of all threads from then on, unless it is told from which size on they are the
// kernel's.
void GiveLargePiecesBack() {
  constexpr int kLarge = 256 << 10;  // bytes
  mallopt(M_MMAP_THRESHOLD, kLarge);
}

int Parse(int argc, char** argv) {
  CLI::App app{"The part of flarebridge that uploads. Call it by: flarebridge sync", "flarebridge"};
  app.set_version_flag("--version", std::string("flarebridge ") + FLAREBRIDGE_VERSION);
  app.require_subcommand(1);
  // As `flarebridge` takes it.
  app.set_config("--config", "", "TOML file");
  SyncArguments sync;
  AddSync(app, sync);
  LoginArguments login;
  AddLogin(app, login);
  CleanArguments clean;
  AddClean(app, clean);
  UploadArguments upload;
  AddUpload(app, upload);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return Complain(std::string(e.what()) + "\nTry: flarebridge --help", kExitUsage);
  }
  if (app.got_subcommand("sync")) {
    RaiseDescriptorLimit();
    return Sync(sync);
  }
  if (app.got_subcommand("login")) return Login(login);
  if (app.got_subcommand("clean")) return Clean(clean);
  if (fcntl(ChildProcess::kSocket, F_GETFD) < 0)
    return Complain("`upload` is started by the bridge, not by hand; try: flarebridge sync",
                    kExitUsage);
  return RunUploadProcess(upload.queue, upload.bridge, ChildProcess::kSocket);
}

}  // namespace

int RunUploader(int argc, char** argv) {
  try {
    GiveLargePiecesBack();
    return Parse(argc, argv);
  } catch (const std::exception& e) {
    return Complain(std::string("internal error: ") + e.what(), kExitInternal);
  }
}

}  // namespace flarebridge
