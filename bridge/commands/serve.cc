#include "bridge/commands/serve.h"

#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/commands/complain.h"
#include "bridge/link/curve_keys.h"
#include "bridge/process/descriptor_limit.h"
#include "bridge/process/detach.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/program_log.h"
#include "bridge/process/secrets.h"
#include "bridge/workers/confine.h"
#include "receivers/files/folders.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// For the uploader alone: the key, headers of requests, which may hold another one, and addresses,
// which may hold a user's password.
constexpr const char* kSecrets[] = {"WANDB_API_KEY",
                                    "WANDB_X_EXTRA_HTTP_HEADERS",
                                    "WANDB__EXTRA_HTTP_HEADERS",
                                    "WANDB_BASE_URL",
                                    "WANDB_HTTP_PROXY",
                                    "WANDB_HTTPS_PROXY",
                                    "http_proxy",
                                    "HTTP_PROXY",
                                    "https_proxy",
                                    "HTTPS_PROXY",
                                    "all_proxy",
                                    "ALL_PROXY"};

// A worker's socket and watch, and what is open for a moment while one is started.
constexpr uint64_t kDescriptorsPerRun = 4;

int ExitCodeOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kBusy:
    case ErrorCode::kTemporary:
      return kExitTempFail;
    case ErrorCode::kConfig:
      return kExitConfig;
    case ErrorCode::kCorrupt:
      return kExitData;
    default:
      return kExitCantCreate;
  }
}

// NAME=value of those that are there.
std::vector<std::string> TakeSecrets() {
  std::vector<std::string> secrets;
  for (const char* name : kSecrets) {
    const std::string value = TakeFromEnvironment(name);
    if (!value.empty()) secrets.push_back(std::string(name) + "=" + value);
  }
  return secrets;
}

Expected<void> CheckKeys(const ServeArguments& from, LinkSecurity& security) {
  security.unguarded = from.unguarded;
  if (from.key.empty() && from.clients.empty()) return {};
  if (from.key.empty() || from.clients.empty())
    return Fail(ErrorCode::kConfig, "--key and --clients belong together");
  Expected<CurveKeys> keys =
      ReadKeyFile(from.key, FromEnvironment("CREDENTIALS_DIRECTORY").value_or(""));
  if (!keys) return Propagate(keys);
  if (keys->secret_key.empty())
    return Fail(ErrorCode::kConfig, from.key +
                                        " holds the public key only; --key needs the file "
                                        "that ends in .key_secret");
  Expected<std::map<std::string, std::string>> clients = ReadAllowList(from.clients);
  if (!clients) return Propagate(clients);
  security.keys = std::move(*keys);
  security.clients = std::move(*clients);
  return {};
}

void AddLinkOptions(CLI::App* serve, ServeArguments& to) {
  serve->add_option("--state", to.state, "Folder for journal, log and lock; made if it is missing")
      ->required()
      ->envname("FLAREBRIDGE_STATE");
  serve
      ->add_option(
          "--endpoint", to.endpoint,
          "Where shims connect: ipc:///folder/name (folder of mode 0700) or tcp://address:port. "
          "Without it (and with --own) the bridge finishes what an earlier one left in --state")
      ->envname("FLAREBRIDGE_ENDPOINT");
  serve->add_option("--key", to.key, "The bridge's key file (NAME.key_secret), for tcp; see keygen")
      ->envname("FLAREBRIDGE_KEY");
  serve
      ->add_option("--clients", to.clients,
                   "Folder with the public key (NAME.key) of each client that may connect over tcp")
      ->envname("FLAREBRIDGE_CLIENTS");
  serve->add_flag("--no-keys", to.unguarded,
                  "Serve tcp://127.0.0.1 without keys: every user of this machine may write runs");
}

void AddLifeOptions(CLI::App* serve, ServeArguments& to) {
  serve->add_flag("--own", to.own, "Serve one job only, and leave when its runs are finished");
  serve->add_flag(
      "--detach", to.detach,
      "Go on in the background, and return when shims can connect; bridge.pid names the process");
  serve->add_option("--parent-pid", to.parent, "The process whose death ends its runs")
      ->check(CLI::PositiveNumber);
  serve
      ->add_option("--finish-timeout", to.finish_timeout,
                   "Seconds without progress after which runs that can't be finished are left in "
                   "the journal")
      ->check(CLI::Range(0, 86400))
      ->envname("FLAREBRIDGE_FINISH_TIMEOUT")
      ->capture_default_str();
  serve
      ->add_option("--upload-timeout", to.upload_timeout,
                   "Seconds that the bridge waits at its end for runs of mode online to be "
                   "uploaded; then they go on without it")
      ->check(CLI::Range(0, 86400))
      ->envname("FLAREBRIDGE_UPLOAD_TIMEOUT")
      ->capture_default_str();
  serve
      ->add_option("--session-timeout", to.session_timeout,
                   "Seconds of silence after which a session of a shared bridge, or of one without "
                   "--parent-pid, counts as lost unless its process is known to live")
      ->check(CLI::Range(5, 86400))
      ->envname("FLAREBRIDGE_SESSION_TIMEOUT")
      ->capture_default_str();
  serve
      ->add_option(
          "--forget-after", to.forget_after,
          "Seconds of silence after which a shared bridge forgets a session that has ended "
          "or was given up, and its runs; it can't come back then")
      ->check(CLI::Range(5, 30 * 86400))
      ->envname("FLAREBRIDGE_FORGET_AFTER")
      ->capture_default_str();
}

void AddChanges(CLI::App* serve, ServeArguments& to) {
  serve
      ->add_option("--set", to.changes,
                   "RECEIVER.ARGUMENT=VALUE, as wandb.project=NAME: another argument for the runs "
                   "that an earlier bridge left in --state, with --own and without --endpoint; as "
                   "often as needed. It is kept in the journal")
      ->allow_extra_args(false)
      ->type_name("ARGUMENT");
}

Expected<ArgumentChanges> CheckChanges(const ServeArguments& from) {
  ArgumentChanges changes;
  if (from.changes.empty()) return changes;
  if (!from.own || !from.endpoint.empty())
    return Fail(ErrorCode::kConfig,
                "--set is for runs that were left: it goes with --own, and without --endpoint");
  for (const std::string& typed : from.changes) {
    if (const Expected<void> added = changes.Add(typed); !added)
      return PropagateFrom("--set " + typed, added);
  }
  for (const std::string& folder : changes.Folders()) {
    if (const Expected<void> made = MakeFolders(folder); !made) return FailOf("--set", made);
  }
  return changes;
}

void AddLimits(CLI::App* serve, ServeArguments& to) {
  serve
      ->add_option("--journal-max", to.journal_mib,
                   "MiB of undelivered events beyond which none are taken until workers catch up")
      ->check(CLI::Range(1, 1 << 20))
      ->envname("FLAREBRIDGE_JOURNAL_MAX")
      ->capture_default_str();
  serve
      ->add_option("--blob-max", to.blob_mib,
                   "MiB of a large value (an image, a saved file) beyond which it is not taken")
      ->check(CLI::Range(1, 1 << 20))
      ->envname("FLAREBRIDGE_BLOB_MAX")
      ->capture_default_str();
  serve
      ->add_option(
          "--blobs-max", to.blobs_mib,
          "MiB of large values that wait for their runs, beyond which none are taken; half "
          "of it of one run")
      ->check(CLI::Range(1, 1 << 24))
      ->envname("FLAREBRIDGE_BLOBS_MAX")
      ->capture_default_str();
  serve->add_option("--max-runs", to.max_runs, "Sites that may have a run; each is a process")
      ->check(CLI::Range(1, 100000))
      ->envname("FLAREBRIDGE_MAX_RUNS")
      ->capture_default_str();
  serve
      ->add_flag("--require-confinement", to.require_confinement,
                 "Do not start, and let no worker work, where Landlock or seccomp can't confine "
                 "workers")
      ->envname("FLAREBRIDGE_REQUIRE_CONFINEMENT");
}

// What of the workers' confinement does not hold here is told once, or is an error.
Expected<void> CheckConfinement(bool required, spdlog::logger& log) {
  const std::string missing = MissingConfinement();
  if (missing.empty()) return {};
  if (required)
    return Fail(ErrorCode::kConfig,
                "workers can't be confined here, and --require-confinement "
                "says that they have to be: " +
                    missing);
  log.warn(
      "workers are not confined as they should be: {}; the rest holds, and an event that takes one "
      "over gets further (SECURITY.md). To refuse that, serve with --require-confinement",
      missing);
  return {};
}

}  // namespace

void AddServe(CLI::App& app, ServeArguments& to) {
  CLI::App* serve = app.add_subcommand(
      "serve", "Run the bridge: take events from training processes, write runs");
  AddLinkOptions(serve, to);
  AddLifeOptions(serve, to);
  AddChanges(serve, to);
  AddLimits(serve, to);
  serve->fallthrough();  // so that --config may stand behind the command
}

Expected<ServeOptions> CheckServe(const ServeArguments& from) {
  ServeOptions options;
  if (from.endpoint.empty() && !from.own) {
    return Fail(ErrorCode::kConfig,
                "serve needs --endpoint, or --own to finish what was left in --state");
  }
  if (Expected<void> made = MakePrivateFolder(from.state); !made) return FailOf("--state", made);
  std::error_code failed;
  options.state = std::filesystem::canonical(from.state, failed).string();
  if (failed) return Fail(ErrorCode::kIo, "--state " + from.state + ": " + failed.message());
  options.endpoint = from.endpoint;
  options.limits.clients_folder = options.state + "/runs";
  if (Expected<void> guarded = CheckKeys(from, options.security); !guarded)
    return Propagate(guarded);
  Expected<ArgumentChanges> changes = CheckChanges(from);
  if (!changes) return Propagate(changes);
  options.changes = std::move(*changes);
  options.own = from.own;
  options.parent = from.parent;
  options.finish_timeout = std::chrono::seconds(from.finish_timeout);
  options.upload_timeout = std::chrono::seconds(from.upload_timeout);
  options.session_timeout = std::chrono::seconds(from.session_timeout);
  options.limits.journal_bytes = from.journal_mib << 20;
  options.blobs = {from.blob_mib << 20, from.blobs_mib << 20};
  options.limits.runs = from.max_runs;
  options.limits.shares = !from.own;
  options.require_confinement = from.require_confinement;
  // One that serves several processes is as a shared one: no parent's death ends what is left.
  if (!from.own || (from.parent == 0 && !from.endpoint.empty()))
    options.limits.forget_after = std::chrono::seconds(from.forget_after);
  return options;
}

int Serve(const ServeArguments& arguments) {
  TakeNoNewPrivileges();
  KeepSecrets();
  std::vector<std::string> secrets = TakeSecrets();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);   // a terminal that closes does not end a bridge
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a write that fails
  const uint64_t descriptors = RaiseDescriptorLimit();
  Expected<ServeOptions> options = CheckServe(arguments);
  if (!options) return Complain(options.error().message, ExitCodeOf(options.error()));
  options->secrets = std::move(secrets);
  // Before anything that starts a thread.
  std::optional<Detachment> detachment;
  if (arguments.detach) {
    Expected<Detachment> detached = Detachment::Detach();
    if (!detached) return Complain(detached.error().message, ExitCodeOf(detached.error()));
    detachment = std::move(*detached);
  }
  const auto log = OpenLog(options->state);
  if (!log) return Complain(log.error().message, ExitCodeOf(log.error()));
  (*log)->info("flarebridge {} serves {} from {}", FLAREBRIDGE_VERSION, options->endpoint,
               options->state);
  if (descriptors / kDescriptorsPerRun < options->limits.runs) {
    (*log)->warn(
        "this process may open {} files, which is enough for about {} runs at a time; --max-runs "
        "is "
        "{}: raise the limit (ulimit -Hn), or lower --max-runs",
        descriptors, descriptors / kDescriptorsPerRun, options->limits.runs);
  }
  const Expected<void> confines = CheckConfinement(options->require_confinement, **log);
  if (!confines) {
    (*log)->error("{}", confines.error().message);
    return Complain(confines.error().message, ExitCodeOf(confines.error()));
  }
  Expected<std::unique_ptr<Bridge>> bridge = Bridge::Start(*options, *log);
  if (!bridge) {
    (*log)->error("{}", bridge.error().message);
    return Complain(bridge.error().message, ExitCodeOf(bridge.error()));
  }
  if (detachment) {
    const Expected<void> told = detachment->Ready(options->state + "/bridge.pid");
    if (!told) (*log)->warn("{}", told.error().message);
  }
  return (*bridge)->Run();
}

}  // namespace flarebridge
