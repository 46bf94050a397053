#include "bridge/commands/upload_commands.h"

#include <unistd.h>

#include <CLI/CLI.hpp>

#include "bridge/commands/complain.h"
#include "bridge/process/exit_code.h"
#include "bridge/uploads/uploader_program.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

namespace {

void AddNotes(CLI::App& command, std::string& to) {
  command.add_option("--notes", to,
                     "Folder for notes of what is uploaded where a run's own can't be written; "
                     "default: $XDG_STATE_HOME/flarebridge/uploads");
}

}  // namespace

void AddSync(CLI::App& app, SyncArguments& to) {
  CLI::App* sync = app.add_subcommand(
      "sync",
      "Upload runs to W&B: those below the folders that are not there yet. The key comes from "
      "WANDB_API_KEY or `flarebridge login`, as does the server");
  sync->add_option("path", to.paths, "Run folders, .wandb files, or folders with runs below them")
      ->default_val(std::vector<std::string>{"."});
  sync->add_flag("--dry-run", to.dry_run,
                 "Tell what would be uploaded, and where to; send nothing");
  sync->add_flag("--watch", to.watch,
                 "Go on: follow runs that grow and take new ones, until Ctrl-C");
  sync->add_flag("--again", to.again,
                 "All rows again, to the same places; also runs marked as uploaded (.synced)");
  sync->add_flag("--include-online", to.include_online,
                 "Also runs that W&B's own client uploads while it writes them (run-...)");
  sync->add_flag("--follow-links", to.follow_links,
                 "Also files that lie elsewhere and that links of your own lead to");
  sync->add_option("--jobs", to.jobs, "Requests at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  sync->add_option("--retry-for", to.retry_for,
                   "Seconds after which a server that does not answer is given up")
      ->check(CLI::Range(0, 30 * 86400))
      ->capture_default_str();
  sync->add_option("--entity", to.entity, "W&B user or team, in place of the runs' own");
  sync->add_option("--project", to.project, "W&B project, in place of the runs' own");
  sync->add_option("--id", to.id, "Run id, in place of the run's own; for one run");
  sync->add_option("--job-type", to.job_type, "Job type, in place of the runs' own");
  sync->add_option("--replace-tags", to.replace_tags, "Tags to rename, as old=new,other=better");
  sync->add_option("--exclude", to.exclude, "Glob of run folders to leave out; may be repeated")
      ->allow_extra_args(false);
  AddNotes(*sync, to.notes);
}

void AddClean(CLI::App& app, CleanArguments& to) {
  CLI::App* clean = app.add_subcommand(
      "clean", "Remove run folders that are wholly uploaded, after asking; each is named");
  clean->add_option("path", to.paths, "Run folders, or folders with runs below them")
      ->default_val(std::vector<std::string>{"."});
  clean->add_flag("--yes", to.yes, "Do not ask");
  AddNotes(*clean, to.notes);
}

void AddLogin(CLI::App& app, LoginArguments& to) {
  CLI::App* login = app.add_subcommand(
      "login",
      "Store the API key of a W&B server where W&B's own client has it, ~/.netrc. It is asked for, "
      "or read from standard input");
  login->add_option("key", to.key, "The key, or - for standard input");
  login->add_option("--host", to.host, "The server, from now on the one that is meant");
  login->add_flag("--no-verify", to.no_verify, "Do not ask the server whose key it is");
  login->add_flag("--check", to.check, "Store nothing; tell whose key is in use, and whence")
      ->excludes("key", "--host", "--no-verify");
}

void AddUpload(CLI::App& app, UploadArguments& arguments) {
  CLI::App* upload =
      app.add_subcommand("upload", "Internal: uploads runs of mode online, started by the bridge");
  upload->add_option("--queue", arguments.queue, "Folder with an entry for each run")->required();
  upload->add_option("--bridge", arguments.bridge, "The bridge that has started it");
}

int HandToUploader(char** argv) {
  const Expected<std::string> program = FindUploader();
  if (!program) return Complain(program.error().message, kExitConfig);
  execv(program->c_str(), argv);
  const auto failed = FailSystem(*program + " can't be started");
  return Complain(failed.value().message, kExitConfig);
}

}  // namespace flarebridge
