#include "bridge/commands/internal.h"

#include <fcntl.h>
#include <signal.h>

#include <CLI/CLI.hpp>

#include "bridge/commands/complain.h"
#include "bridge/process/child_process.h"
#include "bridge/process/exit_code.h"
#include "bridge/workers/worker.h"

namespace flarebridge {
namespace {

constexpr int kSocket = ChildProcess::kSocket, kMark = ChildProcess::kMark;

bool StartedByBridge() { return fcntl(kSocket, F_GETFD) >= 0; }

}  // namespace

void AddWorker(CLI::App& app, WorkerArguments& to) {
  CLI::App* worker =
      app.add_subcommand("worker", "Internal: one run's process, started by the bridge");
  worker->add_flag("--require-confinement", to.require_confinement,
                   "Do not work if the confinement does not hold");
}

int Worker(const WorkerArguments& arguments) {
  if (!StartedByBridge())
    return Complain("`worker` is started by the bridge, not by hand", kExitUsage);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  // Ctrl-C in a terminal is for the bridge; its worker ends when the bridge closes the socket.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  return RunWorker(kSocket, kMark, arguments.require_confinement);
}

}  // namespace flarebridge
