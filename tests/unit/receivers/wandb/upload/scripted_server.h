// W&B in memory: takes what Api sends, holds a run as the real one would, notes each request in a
// word, and misbehaves where a test says so. No socket, no time of its own: each request takes a
// tenth of a second of the test's clock. Used by the tests of run upload; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/clock.h"
#include "receivers/upload/http_transport.h"

namespace flarebridge::wandb::testing {

class ScriptedServer : public HttpTransport {
 public:
  using Json = nlohmann::json;
  using Time = Clock::time_point;

  struct Fault {
    long status = 0;  // 0: no answer
    std::optional<double> retry_after{};
    bool taken = false;  // the server has done it all the same: its answer is lost
    std::string words{};
  };

  explicit ScriptedServer(Time& now) : now_(now) {}

  // The next requests of that name ("put", or "put NAME") get these in place of an answer.
  void Misbehave(const std::string& name, std::vector<Fault> faults) {
    faults_[name].insert(faults_[name].end(), faults.begin(), faults.end());
  }
  // Called before a request of that name is looked at.
  void Before(const std::string& name, std::function<void()> act) {
    before_[name] = std::move(act);
  }

  Expected<HttpResponse> Send(const HttpRequest& request) override {
    const std::string name = NameOf(request);
    requests.push_back(name);
    times.push_back(now_);
    if (const auto act = before_.find(name.substr(0, name.find(' '))); act != before_.end())
      act->second();
    if (stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
    now_ += std::chrono::milliseconds(100);
    std::vector<Fault>& own = faults_[name];
    std::vector<Fault>& faults = own.empty() ? faults_[name.substr(0, name.find(' '))] : own;
    if (!page.empty()) return HttpResponse{200, page, {}, {}, {}};
    if (faults.empty()) return HttpResponse{200, Answer(request, name), {}, {}, {}};
    const Fault fault = faults.front();
    faults.erase(faults.begin());
    if (fault.taken) (void)Answer(request, name);
    if (fault.status == 0) return Fail(ErrorCode::kIo, "the connection was lost");
    return HttpResponse{fault.status, fault.words, fault.retry_after, {}, {}};
  }

  size_t Count(const std::string& name) const {
    return static_cast<size_t>(std::count(requests.begin(), requests.end(), name));
  }

  std::vector<std::string> requests;  // "create", "lines 0+3", "ask 2", "put NAME", "count", ...
  std::vector<Time> times;            // of each
  std::map<uint64_t, std::string> rows;
  std::map<std::string, std::string> files;  // those whose body was in memory
  std::vector<std::string> reported;         // files that the run's stream has named
  std::vector<int> exit_codes;
  std::vector<std::string> unwanted;     // files that get no address
  std::optional<uint64_t> counted;       // what it says instead of its rows
  bool exists = false;                   // the run is there
  std::vector<Json> upserts;             // the variables of each request that changed the run
  std::vector<std::string> alerts;       // titles
  std::vector<std::string> console;      // lines as they came
  int preempting = 0;                    // how often it was told
  bool structured = false;               // it takes console lines as objects
  bool asks_to_stop = false;             // somebody has pressed Stop at the run's page
  std::string config = "{}";             // that it has of the run, if that is there
  std::string page;                      // what somebody else answers in its place, if not empty
  std::string summary, entity, project;  // as the last request gave them

 private:
  static std::string NameOf(const HttpRequest& request) {
    if (request.method == "PUT") return "put " + request.url.substr(request.url.rfind('/') + 1);
    const Json body = Json::parse(request.body);
    if (request.url.ends_with("/file_stream")) {
      if (body.contains("complete")) return "end";
      const auto history = body.at("files").find("wandb-history.jsonl");
      if (history != body.at("files").end()) {
        return "lines " + history->at("offset").dump() + "+" +
               std::to_string(history->at("content").size());
      }
      return body.at("files").empty() ? "alive" : "lines";
    }
    const std::string query = body.at("query");
    if (query.find("UpsertBucket") != std::string::npos) return "create";
    if (query.find("historyTail") != std::string::npos) return "look";
    if (query.find("ServerFeaturesQuery") != std::string::npos) return "features";
    if (query.find("NotifyScriptableRunAlert") != std::string::npos) return "alert";
    if (query.find("RunResumeStatus") != std::string::npos) return "count";
    return "ask " + std::to_string(body.at("variables").at("files").size());
  }

  std::string Answer(const HttpRequest& request, const std::string& name) {
    if (name.starts_with("put ")) {
      if (request.file < 0) files[name.substr(4)] = request.body;
      return "";
    }
    const Json body = Json::parse(request.body);
    if (request.url.ends_with("/file_stream")) return Take(body);
    if (name == "create") {
      const Json& run = body.at("variables");
      entity = run.at("entity").is_null() ? "" : run.at("entity");
      project = run.at("project").is_null() ? "" : run.at("project");
      upserts.push_back(run);
      const std::string inserted = std::exchange(exists, true) ? "false" : "true";
      return R"({"data":{"upsertBucket":{"inserted":)" + inserted +
             R"(,"bucket":{"id":"x","name":)" + run.at("name").dump() +
             R"(,"project":{"name":"p","entity":{"name":"e"}}}}}})";
    }
    if (name == "look") return Look();
    if (name == "features") {
      const Json feature = {{"name", "STRUCTURED_CONSOLE_LOGS"}, {"isEnabled", structured}};
      return Json{{"data", {{"serverInfo", {{"features", {feature}}}}}}}.dump();
    }
    if (name == "alert") {
      alerts.push_back(body.at("variables").at("title"));
      return R"({"data":{"notifyScriptableRunAlert":{"success":true}}})";
    }
    if (name == "count") {
      return R"({"data":{"model":{"bucket":{"historyLineCount":)" +
             std::to_string(counted.value_or(rows.size())) + "}}}}";
    }
    Json addresses = Json::array();
    for (const std::string file : body.at("variables").at("files")) {
      if (std::find(unwanted.begin(), unwanted.end(), file) == unwanted.end())
        addresses.push_back({{"name", file}, {"uploadUrl", "http://storage/" + file}});
    }
    return Json{{"data", {{"createRunFiles", {{"files", addresses}}}}}}.dump();
  }

  std::string Look() const {
    if (!exists) return R"({"data":{"model":{"bucket":null}}})";
    const Json tail = rows.empty() ? Json::array() : Json::array({rows.rbegin()->second});
    const Json bucket = {{"historyLineCount", counted.value_or(rows.size())},
                         {"eventsLineCount", 0},
                         {"logLineCount", 0},
                         {"historyTail", tail.dump()},
                         {"config", config}};
    return Json{{"data", {{"model", {{"bucket", bucket}}}}}}.dump();
  }

  std::string Take(const Json& body) {
    for (const auto& [stream, part] : body.at("files").items()) {
      uint64_t offset = part.at("offset");
      for (const std::string line : part.at("content")) {
        if (stream == "output.log") console.push_back(line);
        if (stream == "wandb-summary.json") summary = line;
        if (stream == "wandb-history.jsonl") rows[offset++] = line;
      }
    }
    if (body.contains("uploaded")) {
      for (const std::string file : body.at("uploaded")) reported.push_back(file);
    }
    if (body.contains("preempting")) ++preempting;
    if (body.contains("exitcode")) exit_codes.push_back(body.at("exitcode"));
    return asks_to_stop ? R"({"stopped":true})" : "{}";
  }

  Time& now_;
  std::map<std::string, std::vector<Fault>> faults_;
  std::map<std::string, std::function<void()>> before_;
};

}  // namespace flarebridge::wandb::testing
