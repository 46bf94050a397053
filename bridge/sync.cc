#include "bridge/sync.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <thread>

#include "bridge/exit_code.h"
#include "receivers/wandb/log_summary.h"
#include "receivers/wandb/upload/run_upload.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Set by a signal; the uploads look at it through their clients.
std::atomic<bool> interrupted = false;

std::optional<std::string> FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == 0 ? std::nullopt : std::optional<std::string>(value);
}

bool IsSynced(const fs::path& log) {
  std::error_code ignored;
  return fs::exists(log.string() + ".synced", ignored);
}

std::string NameOf(const fs::path& log) { return log.parent_path().filename().string(); }

// Text from a server or a log may hold anything; a terminal must not obey it.
std::string Printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return text;
}

// Lines for a person, from several threads: on a terminal the last one is rewritten as the uploads
// go on; elsewhere only what is worth a line is written.
class Screen {
 public:
  Screen() : terminal_(isatty(STDERR_FILENO) == 1) {}

  void Progress(const std::string& name, uint64_t rows, uint64_t of_rows,
                const std::string& waiting) {
    const std::lock_guard lock(mutex_);
    if (!waiting.empty() && !terminal_) {
      std::cerr << name << ": " << Printable(waiting) << "; it is tried again\n";
    }
    if (!terminal_) return;
    constexpr uint64_t kWidth = 20;
    const uint64_t filled = of_rows == 0 ? kWidth : rows * kWidth / of_rows;
    std::cerr << "\r\033[K" << name << " [" << std::string(filled, '#')
              << std::string(kWidth - filled, '.') << "] " << rows << "/" << of_rows << " rows"
              << (waiting.empty() ? "" : "; " + Printable(waiting).substr(0, 60)) << std::flush;
    shown_ = true;
  }
  void Say(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (shown_) std::cerr << "\r\033[K";
    shown_ = false;
    std::cout << line << std::endl;  // each line at once, also into a pipe
  }
  void Complain(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (shown_) std::cerr << "\r\033[K";
    shown_ = false;
    std::cerr << "flarebridge: " << Printable(line) << "\n";
  }

 private:
  std::mutex mutex_;
  bool terminal_;
  bool shown_ = false;
};

class Uploads {
 public:
  Uploads(const wandb::Account& account, const SyncArguments& arguments, std::vector<fs::path> logs)
      : account_(account), arguments_(arguments), logs_(std::move(logs)) {}

  // Gives the number of runs that are not on the server.
  size_t Run() {
    std::vector<std::thread> threads;
    const size_t count = std::min(static_cast<size_t>(arguments_.jobs), logs_.size());
    for (size_t i = 0; i < count; ++i) threads.emplace_back([this] { Work(); });
    for (std::thread& thread : threads) thread.join();
    return failed_;
  }

 private:
  void Work() {
    Expected<wandb::HttpClient> http = wandb::HttpClient::Make(
        account_.ca_file, std::string("flarebridge/") + FLAREBRIDGE_VERSION);
    if (!http) {
      screen_.Complain(http.error().message);
      failed_ += logs_.size();
      return;
    }
    std::jthread watch([&http](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        if (interrupted) http->Stop();
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    });
    for (size_t i = next_++; i < logs_.size(); i = next_++) Upload(*http, logs_[i]);
  }

  void Upload(wandb::HttpClient& http, const fs::path& log) {
    const std::string name = NameOf(log);
    wandb::UploadOptions options;
    options.retry_for = std::chrono::seconds(arguments_.retry_for);
    wandb::RunUpload upload(http, account_, log, options,
                            [&](uint64_t rows, uint64_t of_rows, const std::string& waiting) {
                              screen_.Progress(name, rows, of_rows, waiting);
                            });
    const Expected<wandb::UploadReport> report = upload.Run();
    if (!report) {
      ++failed_;
      screen_.Complain(name + ": " + report.error().message);
      return;
    }
    if (!report->complete) ++failed_;
    screen_.Say(
        name + ": " + std::to_string(report->rows) + " rows, " +
        (report->complete ? "complete" : "the run goes on: sync it again when it has ended") +
        ", " + Printable(report->url));
    for (const std::string& left : report->left_out)
      screen_.Complain(name + ": not uploaded: " + left);
  }

  const wandb::Account& account_;
  const SyncArguments& arguments_;
  std::vector<fs::path> logs_;
  Screen screen_;
  std::atomic<size_t> next_ = 0, failed_ = 0;
};

int Complain(const Error& error) {
  std::cerr << "flarebridge: " << Printable(error.message) << "\n";
  return error.code == ErrorCode::kConfig ? kExitConfig : kExitNoInput;
}

}  // namespace

void AddSync(CLI::App& app, SyncArguments& to) {
  CLI::App* sync = app.add_subcommand(
      "sync",
      "Upload runs to W&B: those below the folders that are not there yet. The key comes from "
      "WANDB_API_KEY or ~/.netrc, the server from WANDB_BASE_URL");
  sync->add_option("path", to.paths, "Run folders, .wandb files, or folders with runs below them")
      ->default_val(std::vector<std::string>{"."});
  sync->add_flag("--dry-run", to.dry_run, "List what would be uploaded");
  sync->add_flag("--again", to.again, "Also runs that are marked as uploaded (.synced)");
  sync->add_option("--jobs", to.jobs, "Runs that are uploaded at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  sync->add_option("--retry-for", to.retry_for,
                   "Seconds after which a server that does not answer is given up")
      ->check(CLI::Range(0, 30 * 86400))
      ->capture_default_str();
}

int Sync(const SyncArguments& arguments) {
  std::vector<fs::path> logs;
  size_t done = 0;
  for (const std::string& path : arguments.paths) {
    const auto found = wandb::FindLogs(path);
    if (!found) return Complain(found.error());
    for (const fs::path& log : *found) {
      if (IsSynced(log) && !arguments.again) {
        ++done;
      } else if (std::find(logs.begin(), logs.end(), log) == logs.end()) {
        logs.push_back(log);
      }
    }
  }
  if (logs.empty()) {
    std::cout << (done > 0 ? "every run there is uploaded already (" + std::to_string(done) + ")"
                           : std::string("no run there"))
              << "\n";
    return done > 0 ? kExitOk : kExitNoInput;
  }
  if (arguments.dry_run) {
    for (const fs::path& log : logs) std::cout << log.parent_path().string() << "\n";
    return kExitOk;
  }
  const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
  if (!account) return Complain(account.error());
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, [](int) { interrupted = true; });
  signal(SIGTERM, [](int) { interrupted = true; });
  const size_t failed = Uploads(*account, arguments, std::move(logs)).Run();
  if (failed > 0) {
    std::cerr << "flarebridge: " << failed << (failed == 1 ? " run is" : " runs are")
              << " not wholly on the server; run the "
              << "same command again to go on\n";
  }
  return failed > 0 ? kExitIncomplete : kExitOk;
}

}  // namespace flarebridge
