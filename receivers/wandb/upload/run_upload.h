// Uploads one run log to W&B: the run, its lines, its files, its end. It goes on where an earlier
// upload of the log stopped, whatever stopped it, and sends the same lines to the same places, so
// that nothing is there twice. One thread; Stop() of the HTTP client from any.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "events/error.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/http_client.h"
#include "receivers/wandb/upload/log_survey.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

struct UploadOptions {
  // How long a server that does not answer, or is too busy, is tried again.
  std::chrono::seconds retry_for{600};
  // Between two requests of one run (W&B takes 2 a second).
  std::chrono::milliseconds pace{500};
};

struct UploadReport {
  std::string url;  // of the run in the browser, as W&B's own server has it
  uint64_t rows = 0;
  bool complete = false;              // with its end: nothing is left to upload
  std::vector<std::string> left_out;  // what is in the log and not on the server, in words
};

// Tells a person how far it is: rows on the server, rows in the log, and what it waits for, or "".
using UploadProgress =
    std::function<void(uint64_t rows, uint64_t of_rows, const std::string& waiting)>;

class RunUpload {
 public:
  RunUpload(HttpClient& http, const Account& account, std::filesystem::path log,
            const UploadOptions& options, UploadProgress progress);

  // Errors: kIo (the log, or no answer for too long), kMalformed (not a run log), kForbidden (the
  // server refuses), kBusy (it was stopped). What was confirmed until then stays so.
  Expected<UploadReport> Run();

 private:
  // One request, again and again until it succeeds or must not be repeated.
  Expected<void> Insist(const std::string& what, const std::function<Attempt()>& attempt);
  Expected<void> Wait(std::chrono::milliseconds time);
  Expected<void> CreateRun();
  Expected<void> SendLines();
  Expected<void> SendFiles();
  Expected<void> SendFile(const Api::Upload& upload, const std::string& content);
  // Files that W&B's pages look for, made of the log: summary, config, console output.
  std::map<std::string, std::string> MadeFiles() const;
  Expected<void> SendEnd();
  Expected<void> MarkSynced();

  HttpClient& http_;
  const Account& account_;
  Api api_;
  std::filesystem::path log_;
  UploadOptions options_;
  UploadProgress progress_;
  LogSurvey survey_;
  UploadState state_;
  RunAddress address_;
  std::vector<std::string> uploaded_;  // files that the stream has to be told of
  std::vector<std::string> missing_;   // files that the log names and the folder lacks
  uint64_t too_long_ = 0;              // lines that no server takes
};

}  // namespace flarebridge::wandb
