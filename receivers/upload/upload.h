// One upload, of whatever kind: it follows what a receiver wrote and brings it to a server. A
// machine of steps, each of which reads what is new and makes one request at most, so that many
// share a few threads (upload_pool.h). What takes long, as a file on its way, goes beside the steps
// as an errand. Implemented once per kind. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/clock.h"
#include "events/error.h"
#include "receivers/upload/http_transport.h"

namespace flarebridge {

struct UploadOptions {
  // How long one request that fails is tried again.
  std::chrono::seconds retry_for{600};
  // Waits for more of what has no end yet, and keeps its run alive on the server meanwhile.
  bool follow = false;
  // Sends all again, to the same places.
  bool again = false;
};

struct UploadReport {
  std::string url;          // of the run in the browser
  std::string group_url{};  // the same of the runs that it is grouped with; empty: with none
  std::string name;         // of the run, for people; empty: it has none
  uint64_t rows = 0;
  bool ended = false;     // with its end; else it may still go on
  bool verified = false;  // the server has said that it holds as many rows
  // What was written and is not on the server, in words: what has a place there, so that the upload
  // is not complete, and what no server takes.
  std::vector<std::string> left_out, no_place;
};

// What an upload has to do beside its steps. Made by a step, carried out once by any thread, and
// looked at by a later step. It may outlive its upload.
class Errand {
 public:
  Errand() = default;
  virtual ~Errand() = default;
  Errand(const Errand&) = delete;
  Errand& operator=(const Errand&) = delete;

  virtual void Run(HttpTransport& http) = 0;
};

class Upload {
 public:
  using Time = Clock::time_point;

  struct Turn {
    bool done = false;  // all is on the server; report() tells
    Time next{};        // else: when to call Step() again, or as soon as an errand is over
    std::vector<std::shared_ptr<Errand>> errands{};
    // When to call it if path() is not written until then, where that is noticed; later than next.
    std::optional<Time> if_quiet{};
  };
  struct Progress {
    uint64_t rows = 0;                   // on the server
    uint64_t read_bytes = 0, bytes = 0;  // of the file: read until now, and in all
    std::string waiting;                 // for what, or empty
    uint64_t confirmed_bytes = 0;        // of the file: up to there, all is on the server
    // Somebody has asked there that what is followed be stopped: what it "was", for a person; or
    // empty.
    std::string stop{};
    // Of content besides, as far as it is known: bytes in all, and those that are there.
    uint64_t content_bytes = 0, content_there = 0;
  };

  Upload() = default;
  virtual ~Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Errors: kIo (the file, or no answer for too long), kMalformed (not a file of this kind),
  // kForbidden (the server refuses), kBusy (stopped, or another process uploads it). What was
  // confirmed until then stays so; none of them is worth another Step().
  virtual Expected<Turn> Step(HttpTransport& http) = 0;

  // Nobody writes it any more: what is there is uploaded, and no more is waited for.
  virtual void StopFollowing() = 0;

  // What has to be uploaded before this can go on, or empty.
  virtual const std::filesystem::path& earlier_part() const = 0;
  virtual const UploadOptions& options() const = 0;
  // What is uploaded.
  virtual const std::filesystem::path& path() const = 0;
  // For a person.
  virtual std::string name() const = 0;
  // The server knows the run; report().url is where.
  virtual bool created() const = 0;
  virtual Progress progress() const = 0;
  virtual UploadReport report() const = 0;
};

}  // namespace flarebridge
