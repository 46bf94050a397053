// The commands of `flarebridge` that the program `flarebridge-upload` carries out: declared once,
// so that both programs know the same options, and handed over. Used by both command lines.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

namespace flarebridge {

struct SyncArguments {
  std::vector<std::string> paths;
  bool dry_run = false;
  bool again = false;
  bool watch = false;
  bool include_online = false;
  bool follow_links = false;
  int jobs = 4;
  int retry_for = 600;
  std::string entity, project, id, job_type, replace_tags;
  std::vector<std::string> exclude;  // globs
  std::string notes;                 // folder; empty: the user's own
};

struct CleanArguments {
  std::vector<std::string> paths;
  bool yes = false;
  std::string notes;  // as of `sync`
};

struct LoginArguments {
  std::string host, key;
  bool no_verify = false, check = false;
};

// As RunUploadProcess() has them.
struct UploadArguments {
  std::string queue, bridge;
};

// Declares `login` and its options.
void AddLogin(CLI::App& app, LoginArguments& to);
// Declares `sync` and its options.
void AddSync(CLI::App& app, SyncArguments& to);
// Declares `clean` and its options.
void AddClean(CLI::App& app, CleanArguments& to);
// Declares `upload`.
void AddUpload(CLI::App& app, UploadArguments& arguments);

// Goes on as the other program in this process, with the same arguments, terminal and exit status.
// Returns only if it can't be had: the exit status, after words on standard error.
int HandToUploader(char** argv);

}  // namespace flarebridge
