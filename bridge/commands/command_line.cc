#include "bridge/commands/command_line.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "bridge/bridge.h"
#include "bridge/commands/check.h"
#include "bridge/commands/show.h"
#include "bridge/commands/upload_commands.h"
#include "bridge/process/child_process.h"
#include "bridge/process/detach.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/program_log.h"
#include "bridge/process/secrets.h"
#include "bridge/workers/worker.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

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

int Complain(const std::string& message, int exit_code) {
  std::cerr << "flarebridge: " << message << '\n';
  return exit_code;
}

// `serve` as typed, before it is checked.
struct ServeArguments {
  std::string state;
  std::string endpoint;
  std::string key;
  std::string clients;
  bool unguarded = false;
  bool own = false;
  bool detach = false;
  int parent = 0;
  int finish_timeout = 10;
  int upload_timeout = 30;
  int session_timeout = 60;
  uint64_t journal_mib = 1024;
  size_t max_runs = 1000;
};

void AddServe(CLI::App& app, ServeArguments& to) {
  CLI::App* serve = app.add_subcommand(
      "serve", "Run the bridge: take events from training processes, write runs");
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
                   "Seconds of silence after which a session of a shared bridge counts as lost")
      ->check(CLI::Range(5, 86400))
      ->envname("FLAREBRIDGE_SESSION_TIMEOUT")
      ->capture_default_str();
  serve
      ->add_option("--journal-max", to.journal_mib,
                   "MiB of undelivered events beyond which none are taken until workers catch up")
      ->check(CLI::Range(1, 1 << 20))
      ->envname("FLAREBRIDGE_JOURNAL_MAX")
      ->capture_default_str();
  serve->add_option("--max-runs", to.max_runs, "Sites that may have a run; each is a process")
      ->check(CLI::Range(1, 100000))
      ->envname("FLAREBRIDGE_MAX_RUNS")
      ->capture_default_str();
  serve->fallthrough();  // so that --config may stand behind the command
}

Expected<void> CheckKeys(const ServeArguments& from, LinkSecurity& security) {
  security.unguarded = from.unguarded;
  if (from.key.empty() && from.clients.empty()) return {};
  if (from.key.empty() || from.clients.empty())
    return Fail(ErrorCode::kConfig, "--key and --clients belong together");
  Expected<CurveKeys> keys = ReadKeyFile(from.key);
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

int KeyGen(const std::string& path) {
  const Expected<CurveKeys> keys = MakeKeyFiles(path);
  if (!keys) return Complain(keys.error().message, kExitCantCreate);
  std::cout << path << ".key         public: give it to the other side\n"
            << path << ".key_secret  secret: stays here\n";
  return kExitOk;
}

Expected<ServeOptions> Check(const ServeArguments& from) {
  ServeOptions options;
  if (from.endpoint.empty() && !from.own) {
    return Fail(ErrorCode::kConfig,
                "serve needs --endpoint, or --own to finish what was left in --state");
  }
  std::error_code failed;
  std::filesystem::create_directories(from.state, failed);
  if (failed) return FailSystem("--state " + from.state + " can't be created", failed.value());
  options.state = std::filesystem::canonical(from.state, failed).string();
  if (failed) return Fail(ErrorCode::kIo, "--state " + from.state + ": " + failed.message());
  options.endpoint = from.endpoint;
  options.limits.clients_folder = options.state + "/runs";
  if (Expected<void> guarded = CheckKeys(from, options.security); !guarded)
    return Propagate(guarded);
  options.own = from.own;
  options.parent = from.parent;
  options.finish_timeout = std::chrono::seconds(from.finish_timeout);
  options.upload_timeout = std::chrono::seconds(from.upload_timeout);
  options.session_timeout = std::chrono::seconds(from.session_timeout);
  options.limits.journal_bytes = from.journal_mib << 20;
  options.limits.runs = from.max_runs;
  return options;
}

int Serve(const ServeArguments& arguments) {
  TakeNoNewPrivileges();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);   // a terminal that closes does not end a bridge
  signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a write that fails
  // The key is for the uploader, and is in this environment, too.
  if (FromEnvironment("WANDB_API_KEY")) WriteNoCoreDumps();
  const Expected<ServeOptions> options = Check(arguments);
  if (!options) return Complain(options.error().message, ExitCodeOf(options.error()));
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

// Where processes that the bridge starts find what they are given.
constexpr int kSocket = ChildProcess::kSocket, kMark = ChildProcess::kMark;

int Worker() {
  if (fcntl(kSocket, F_GETFD) < 0)
    return Complain("`worker` is started by the bridge, not by hand", kExitUsage);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  // Ctrl-C in a terminal is for the bridge; its worker ends when the bridge closes the socket.
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  return RunWorker(kSocket, kMark);
}

// CLI11 would let the file win over the environment; here flags come first, then the environment,
// then the file: what the environment says is put behind the flags, unless a flag says it already.
std::vector<std::string> WithEnvironment(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const CLI::App* serve = app.get_subcommand("serve");
  if (std::find(words.begin(), words.end(), "serve") == words.end()) return words;
  for (const CLI::Option* option : serve->get_options()) {
    const std::string flag = "--" + option->get_single_name();
    const char* value =
        option->get_envname().empty() ? nullptr : std::getenv(option->get_envname().c_str());
    const bool given = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
      return word == flag || word.starts_with(flag + "=");
    });
    if (value != nullptr && *value != 0 && !given) words.push_back(flag + "=" + value);
  }
  return words;
}

int Parse(int argc, char** argv) {
  CLI::App app{"Takes events of federated training and writes W&B runs. Manual: bridge/README.md",
               "flarebridge"};
  app.set_version_flag("--version", std::string("flarebridge ") + FLAREBRIDGE_VERSION);
  app.require_subcommand(1);
  app.set_config("--config", "",
                 "TOML file; the options of `serve`, without dashes, in a section [serve]");
  ServeArguments serve;
  AddServe(app, serve);
  app.add_subcommand("worker", "Internal: one run's process, started by the bridge");
  std::string key_path;
  app.add_subcommand("keygen", "Make a CURVE key pair, for shims that connect over tcp")
      ->add_option("name", key_path, "Files to make: NAME.key and NAME.key_secret")
      ->required();
  std::string queue;
  AddUpload(app, queue);
  CheckArguments check;
  AddCheck(app, check);
  ShowArguments show;
  AddShow(app, show);
  SyncArguments sync;
  AddSync(app, sync);
  const std::vector<CLI::App*> commands = app.get_subcommands([](const CLI::App*) { return true; });
  const bool known = argc < 2 || argv[1][0] == '-' ||
                     std::any_of(commands.begin(), commands.end(),
                                 [&](CLI::App* command) { return command->get_name() == argv[1]; });
  if (!known) {
    return Complain(std::string("there is no command \"") + argv[1] + "\"; try: flarebridge --help",
                    kExitUsage);
  }
  try {
    std::vector<std::string> words = WithEnvironment(app, argc, argv);
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    app.parse(words);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::cerr << "flarebridge: " << e.what() << "\nTry: flarebridge --help\n";
    return kExitUsage;
  }
  if (app.got_subcommand("serve")) return Serve(serve);
  if (app.got_subcommand("worker")) return Worker();
  if (app.got_subcommand("check")) return Check(check);
  if (app.got_subcommand("keygen")) return KeyGen(key_path);
  if (app.got_subcommand("upload") || app.got_subcommand("sync")) return HandToUploader(argv);
  return Show(show);
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  try {
    return Parse(argc, argv);
  } catch (const std::exception& e) {
    return Complain(std::string("internal error: ") + e.what(), kExitInternal);
  }
}

}  // namespace flarebridge
