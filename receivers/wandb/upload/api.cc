#include "receivers/wandb/upload/api.h"

#include <nlohmann/json.hpp>

#include "events/printable.h"
#include "receivers/json.h"
#include "receivers/wandb/upload/secret_text.h"

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;

constexpr const char* kUpsertBucket = R"(mutation UpsertBucket($name: String, $project: String,
 $entity: String, $groupName: String, $displayName: String, $notes: String, $host: String,
 $config: JSONString, $jobType: String, $tags: [String!], $program: String, $repo: String,
 $commit: String, $sweep: String) {
 upsertBucket(input: {name: $name, modelName: $project, entityName: $entity,
  groupName: $groupName, displayName: $displayName, notes: $notes, host: $host, config: $config,
  jobType: $jobType, tags: $tags, jobProgram: $program, jobRepo: $repo, commit: $commit,
  sweep: $sweep}) {
  inserted
  bucket { id name project { name entity { name } } }
 }
})";

constexpr const char* kViewer = R"(query Viewer { viewer { id username entity } })";

constexpr const char* kRunResumeStatus = R"(query RunResumeStatus($project: String,
 $entity: String, $name: String!) {
 model(name: $project, entityName: $entity) {
  bucket(name: $name, missingOk: true) { id historyLineCount }
 }
})";

constexpr const char* kRunLook = R"(query RunResumeStatus($project: String,
 $entity: String, $name: String!) {
 model(name: $project, entityName: $entity) {
  bucket(name: $name, missingOk: true) {
   id historyLineCount eventsLineCount logLineCount historyTail config
  }
 }
})";

constexpr const char* kCreateRunFiles = R"(mutation CreateRunFiles($entity: String!,
 $project: String!, $run: String!, $files: [String!]!) {
 createRunFiles(input: {entityName: $entity, projectName: $project, runName: $run, files: $files}) {
  runID
  uploadHeaders
  files { name uploadUrl }
 }
})";

// What is unknown is null, so that the server takes its own default or keeps what it has.
Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json(text); }

template <class T>
Json OrNull(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

// A server that does not know yet may say null.
uint64_t Count(const Json& json) {
  return json.is_null() ? 0 : json.get_ref<const Json::number_unsigned_t&>();
}

// What is nested deeper is left out: written again, it would take the stack, level by level.
Json ParseAnswer(const std::string& text) {
  constexpr int kMostDepth = 32;
  return Json::parse(
      text, [](int depth, Json::parse_event_t, Json&) { return depth < kMostDepth; }, false);
}

// The newest of some lines, which come as the text of a list of texts.
std::string LastOf(const Json& tail) {
  if (!tail.is_string()) return "";
  const Json lines = ParseAnswer(tail.get_ref<const std::string&>());
  const bool told = lines.is_array() && !lines.empty() && lines.back().is_string();
  return told ? lines.back().get<std::string>() : "";
}

// An answer may be a whole page; a person needs its beginning, in one line.
std::string FirstWords(const std::string& answer) {
  constexpr size_t kMostBytes = 300;
  return Printable(answer.substr(0, kMostBytes));
}

Attempt Refuse(const std::string& words) {
  Attempt attempt;
  attempt.outcome = Outcome::kRefused;
  attempt.words = words;
  return attempt;
}

Attempt TryAgain(const std::string& words) {
  Attempt attempt;
  attempt.outcome = Outcome::kRetry;
  attempt.words = words;
  return attempt;
}

Attempt NotTheService(const std::string& answer) {
  return TryAgain("an answer that is not W&B's" +
                  (answer.empty() ? std::string() : " (" + FirstWords(answer) + ")"));
}

}  // namespace

Attempt Api::Send(HttpRequest request, bool with_key, std::string& answer, std::string* etag) {
  if (with_key) {
    if (Expected<void> is_signed = Sign(request); !is_signed) {
      const bool final = is_signed.error().code == ErrorCode::kConfig;
      return final ? Refuse(is_signed.error().message) : TryAgain(is_signed.error().message);
    }
    request.headers.emplace_back("Content-Type: application/json");
    if (!account_.username.empty())
      request.headers.push_back("X-WANDB-USERNAME: " + account_.username);
    if (!account_.email.empty()) request.headers.push_back("X-WANDB-USER-EMAIL: " + account_.email);
  }
  Expected<HttpResponse> response = http_.Send(request);
  if (!response) {
    const bool final = response.error().code == ErrorCode::kConfig;
    return final ? Refuse(response.error().message) : TryAgain(response.error().message);
  }
  Attempt attempt;
  attempt.outcome = Judge(response->status);
  attempt.retry_after = response->retry_after;
  attempt.limit_remaining = response->limit_remaining;
  attempt.limit_reset = response->limit_reset;
  attempt.status = response->status;
  if (etag != nullptr) *etag = std::move(response->etag);
  answer = std::move(response->body);
  if (attempt.outcome == Outcome::kSuccess) return attempt;
  // Of the key the server itself has the say.
  const bool of_key = response->status == 401 || response->status == 403;
  attempt.words = "status " + std::to_string(response->status) +
                  (with_key || !of_key ? Explain(response->status) : "");
  if (!answer.empty()) attempt.words += " (" + FirstWords(WithoutKey(answer)) + ")";
  return attempt;
}

Expected<void> Api::Sign(HttpRequest& request) {
  if (account_.token) {
    Expected<std::string> token = account_.token->Get(http_, Clock::now());
    if (!token) return Propagate(token);
    token_ = std::move(*token);
    request.headers.push_back("Authorization: Bearer " + token_);
  } else {
    request.user = "api";
    request.password = account_.key;
  }
  return {};
}

std::string Api::Explain(long status) const {
  const std::string key = account_.token ? "the identity of WANDB_IDENTITY_TOKEN_FILE"
                                         : "the API key" + (account_.key_source.empty()
                                                                ? std::string()
                                                                : " from " + account_.key_source);
  switch (status) {
    case 401:
      return ": " + account_.base_url + " does not accept " + key;
    case 403:
      return ": " + key + " may not write there";
    case 413:
      return ": the request is too large for the server";
    case 429:
      return ": too many requests";
    default:
      return status >= 300 && status < 400
                 ? ": " + account_.base_url +
                       " points elsewhere; set WANDB_BASE_URL to the server itself"
                 : " from " + account_.base_url;
  }
}

std::string Api::WithoutKey(const std::string& text) const {
  return Without(token_, "<the token>", Without(account_.key, "<the API key>", text));
}

Attempt Api::Graphql(const char* query, const std::string& variables, std::string& data) {
  const std::string body =
      R"({"query":)" + Json(query).dump() + R"(,"variables":)" + variables + "}";
  HttpRequest request;
  request.method = "POST";
  request.url = account_.base_url + "/graphql";
  request.body = body;
  std::string answer;
  Attempt attempt = Send(std::move(request), true, answer);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  const Json json = ParseAnswer(answer);
  if (!json.is_object()) return NotTheService(answer);
  if (const auto errors = json.find("errors"); errors != json.end() && !errors->empty())
    return Refuse(FirstWords(WithoutKey(errors->dump())));
  if (!json.contains("data")) return TryAgain("an answer without data");
  data = json["data"].dump();
  return attempt;
}

Attempt Api::WhoAmI(Viewer& viewer) {
  std::string data;
  Attempt attempt = Graphql(kViewer, "{}", data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  const Json parsed = Json::parse(data, nullptr, false);
  const auto found = parsed.is_object() ? parsed.find("viewer") : parsed.end();
  if (!parsed.is_object() || found == parsed.end() || !found->is_object()) {
    constexpr long kUnauthorized = 401;
    return Refuse("nobody has this key" + Explain(kUnauthorized));
  }
  const auto text = [&found](const char* name) {
    const auto member = found->find(name);
    return member != found->end() && member->is_string() ? member->get<std::string>() : "";
  };
  viewer = {text("username"), text("entity")};
  return attempt;
}

Attempt Api::Look(const RunRecord& run, RunThere& there) {
  const Json variables = {{"name", run.run_id},
                          {"project", TextOrNull(run.project)},
                          {"entity", TextOrNull(run.entity)}};
  std::string data;
  Attempt attempt =
      Graphql(kRunLook, variables.dump(-1, ' ', false, Json::error_handler_t::replace), data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  there = RunThere();
  try {
    const Json model = Json::parse(data).at("model");
    if (model.is_null() || model.at("bucket").is_null()) return attempt;  // no project, no run
    const Json& bucket = model.at("bucket");
    there.exists = true;
    there.lines[kHistoryStream] = Count(bucket.at("historyLineCount"));
    there.lines[kEventsStream] = Count(bucket.at("eventsLineCount"));
    there.lines[kConsoleStream] = Count(bucket.at("logLineCount"));
    there.last_row = LastOf(bucket.value("historyTail", Json()));
    if (const Json config = bucket.value("config", Json()); config.is_string())
      there.config = config.get<std::string>();
  } catch (const Json::exception&) {
    return TryAgain("the server did not say what it has of the run");
  }
  return attempt;
}

Attempt Api::UpsertRun(const RunRecord& run, const RunFields& fields, RunAddress& address,
                       bool& inserted) {
  const Json variables = {{"name", run.run_id},
                          {"project", TextOrNull(run.project)},
                          {"entity", TextOrNull(run.entity)},
                          {"groupName", OrNull(fields.group)},
                          {"displayName", OrNull(fields.display_name)},
                          {"notes", OrNull(fields.notes)},
                          {"host", OrNull(fields.host)},
                          {"config", OrNull(fields.config)},
                          {"jobType", OrNull(fields.job_type)},
                          {"tags", OrNull(fields.tags)},
                          {"program", OrNull(fields.program)},
                          {"repo", OrNull(fields.repo)},
                          {"commit", OrNull(fields.commit)},
                          {"sweep", OrNull(fields.sweep)}};
  std::string data;
  Attempt attempt =
      Graphql(kUpsertBucket, variables.dump(-1, ' ', false, Json::error_handler_t::replace), data);
  // Two requests that create one run at once: the other one's is there the next time.
  if (attempt.status == 409) attempt.outcome = Outcome::kRetry;
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  try {
    const Json upserted = Json::parse(data).at("upsertBucket");
    const Json& bucket = upserted.at("bucket");
    inserted = upserted.value("inserted", Json()) == Json(true);
    address.run_id = bucket.at("name");
    address.project = bucket.at("project").at("name");
    address.entity = bucket.at("project").at("entity").at("name");
  } catch (const Json::exception&) {
    return TryAgain("the server did not say where the run is");
  }
  return attempt;
}

Attempt Api::Stream(const RunAddress& address, const Lines& lines, bool& stopped) {
  std::string body = R"({"files":{)";
  const auto add = [&body](const std::string& stream, uint64_t offset, const std::string& content) {
    if (body.back() != '{') body += ',';
    body += '"' + stream + R"(":{"offset":)" + std::to_string(offset) + R"(,"content":[)" +
            content + "]}";
  };
  if (lines.parts != nullptr) {
    for (const auto& [stream, part] : *lines.parts) {
      const auto base = lines.base->find(stream);
      add(stream, part.offset + (base == lines.base->end() ? 0 : base->second), part.lines);
    }
  }
  if (!lines.summary.empty()) add(kSummaryStream, 0, ToJson(std::string_view(lines.summary)));
  body += '}';
  if (!lines.uploaded.empty()) {
    body += R"(,"uploaded":)" +
            Json(lines.uploaded).dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  if (lines.preempting) body += R"(,"preempting":true)";
  if (lines.exit_code) body += R"(,"complete":true,"exitcode":)" + std::to_string(*lines.exit_code);
  body += '}';
  HttpRequest request;
  request.method = "POST";
  request.url = account_.base_url + "/files/" + Escape(address.entity) + "/" +
                Escape(address.project) + "/" + Escape(address.run_id) + "/file_stream";
  request.body = body;
  std::string answer;
  Attempt attempt = Send(std::move(request), true, answer);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  // Somebody else may answer, as a network that wants a login first: that confirms nothing.
  const Json json = ParseAnswer(answer);
  if (!json.is_object()) return NotTheService(answer);
  if (json.value("stopped", Json()) == Json(true)) stopped = true;
  return attempt;
}

Attempt Api::CountRows(const RunAddress& address, uint64_t& rows) {
  const Json variables = {
      {"entity", address.entity}, {"project", address.project}, {"name", address.run_id}};
  std::string data;
  Attempt attempt = Graphql(kRunResumeStatus, variables.dump(), data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  try {
    const Json parsed = Json::parse(data);
    const Json& count = parsed.at("model").at("bucket").at("historyLineCount");
    if (!count.is_number_unsigned()) return Refuse("the server did not say how many rows it has");
    rows = count;
  } catch (const Json::exception&) {
    return Refuse("the server did not say how many rows it has");
  }
  return attempt;
}

Attempt Api::CreateFiles(const RunAddress& address, const std::vector<std::string>& names,
                         std::vector<Upload>& uploads) {
  const Json variables = {{"entity", address.entity},
                          {"project", address.project},
                          {"run", address.run_id},
                          {"files", names}};
  std::string data;
  Attempt attempt = Graphql(kCreateRunFiles,
                            variables.dump(-1, ' ', false, Json::error_handler_t::replace), data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  try {
    const Json created = Json::parse(data).at("createRunFiles");
    for (const Json& file : created.at("files")) {
      Upload upload{file.at("name"), file.at("uploadUrl"), {}};
      for (const Json& header : created.value("uploadHeaders", Json::array()))
        upload.headers.push_back(header);
      upload.url = WholeUrl(upload.url);
      uploads.push_back(std::move(upload));
    }
  } catch (const Json::exception&) {
    return TryAgain("the server did not say where files go");
  }
  return attempt;
}

}  // namespace flarebridge::wandb
