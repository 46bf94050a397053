// W&B's HTTP API as far as a run needs it: the run itself and signed uploads by GraphQL, lines by
// the file stream. Facts: operations and their fields as wandb-core sends them (core/api/graphql,
// core/internal/filestream at 0.28.3). One request, no retries. One thread.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "receivers/upload/http_transport.h"
#include "receivers/upload/retry_policy.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/alert.h"
#include "receivers/wandb/upload/line_buffer.h"

namespace flarebridge::wandb {

// How one request went; `words` say why it did not.
struct Attempt {
  Outcome outcome = Outcome::kSuccess;
  std::string words;
  std::optional<double> retry_after;  // seconds
  long status = 0;                    // of HTTP; 0: no answer
  std::optional<double> limit_remaining, limit_reset;
};

// Where the server keeps a run.
struct RunAddress {
  std::string entity, project, run_id;
};

// What the server has of a run. Counts may be some seconds old.
struct RunThere {
  bool exists = false;
  std::map<std::string, uint64_t> lines;  // by stream
  std::string last_row;                   // JSON; empty: it has none, or does not say
  std::string config{};                   // {"key": {"value": ...}}; the same
};

// What is sent of a run itself; what is not set stays as the server has it.
struct RunFields {
  std::optional<std::string> group, job_type, display_name, notes, host, program, repo, commit,
      sweep;
  std::optional<std::vector<std::string>> tags;
  std::optional<std::string> config;  // W&B's form of it, {"key": {"value": ...}}
};

class Api {
 public:
  Api(HttpTransport& http, const Account& account) : http_(http), account_(account) {}

  // Whose key it is. Refused: nobody's.
  struct Viewer {
    std::string username, entity;  // the user; where runs go that name no entity
  };
  Attempt WhoAmI(Viewer& viewer);
  // Changes nothing. Of the run its id, project and entity count.
  Attempt Look(const RunRecord& run, RunThere& there);
  // Whether it takes console lines as objects.
  Attempt AskFeatures(bool& structured_console);
  // Creates the run or changes it. Of `run` the same count. `inserted`: the server did not have it
  // (false if it does not say).
  Attempt UpsertRun(const RunRecord& run, const RunFields& fields, RunAddress& address,
                    bool& inserted);
  // What one request to the file stream carries; nothing at all is a sign of life.
  struct Lines {
    const std::map<std::string, StreamPart>* parts = nullptr;  // by stream
    const std::map<std::string, uint64_t>* base = nullptr;     // added to each offset
    std::string summary;                                       // the whole object, or empty
    std::vector<std::string> uploaded;                         // files that were put there
    bool preempting = false;                                   // it will be taken from its machine
    std::optional<int32_t> exit_code;                          // the last request of the run
  };
  // `stopped`: somebody has pressed Stop at the run's page; unchanged where the server says nothing
  // of it.
  Attempt Stream(const RunAddress& address, const Lines& lines, bool& stopped);
  // Has people told of it.
  Attempt Send(const RunAddress& address, const Alert& alert);
  // History lines that the server counts, which may be some seconds old.
  Attempt CountRows(const RunAddress& address, uint64_t& rows);
  // Asks where files may be put, and puts one there.
  struct Upload {
    std::string name, url;
    std::vector<std::string> headers;
  };
  Attempt CreateFiles(const RunAddress& address, const std::vector<std::string>& names,
                      std::vector<Upload>& uploads);
  Attempt Put(const Upload& upload, std::string_view content);
  Attempt PutFile(const Upload& upload, int file, uint64_t bytes);
  // A piece of a file; `moved`: how much of it has gone, for other threads. `etag`: the storage's
  // name of what it has.
  struct Piece {
    int file = -1;
    uint64_t begin = 0, bytes = 0;
    std::atomic<uint64_t>* moved = nullptr;
  };
  Attempt PutPiece(const Upload& upload, const Piece& piece, std::string& etag);
  // Any other question: `variables` is an object, `data` becomes the answer's.
  Attempt Graphql(const char* query, const std::string& variables, std::string& data);
  // A path only lies on the same server.
  std::string WholeUrl(const std::string& url) const;

 private:
  Attempt Send(HttpRequest request, bool with_key, std::string& answer,
               std::string* etag = nullptr);
  // Signs the request with the key, or with a token. Errors: as Send().
  Expected<void> Sign(HttpRequest& request);
  // What a status of the server means, for a person.
  std::string Explain(long status) const;
  Attempt SendToStorage(HttpRequest request, std::string* etag = nullptr);
  // A server's words, which may repeat what it was sent.
  std::string WithoutKey(const std::string& text) const;

  HttpTransport& http_;
  const Account& account_;
  std::string token_;  // that the last request was signed with, in place of the key
};

}  // namespace flarebridge::wandb
