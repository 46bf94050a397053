#include "receivers/wandb/upload/api.h"

#include <nlohmann/json.hpp>

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;

constexpr const char* kUpsertBucket = R"(mutation UpsertBucket($name: String, $project: String,
 $entity: String, $groupName: String, $displayName: String, $notes: String, $host: String,
 $config: JSONString, $jobType: String, $tags: [String!]) {
 upsertBucket(input: {name: $name, modelName: $project, entityName: $entity,
  groupName: $groupName, displayName: $displayName, notes: $notes, host: $host, config: $config,
  jobType: $jobType, tags: $tags}) {
  inserted
  bucket { id name project { name entity { name } } }
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

std::string FirstWords(const std::string& answer) {
  // An answer may be a whole page; a person needs its beginning, in one line.
  std::string words = answer.substr(0, 300);
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return words;
}

std::string Escape(const std::string& component) {
  std::string escaped;
  for (const char c : component) {
    const auto byte = static_cast<unsigned char>(c);
    if (isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      escaped.push_back(c);
    } else {
      constexpr const char* kDigits = "0123456789ABCDEF";
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return escaped;
}

Attempt Refuse(const std::string& words) { return {Outcome::kRefused, words, std::nullopt}; }

}  // namespace

Attempt Api::Send(HttpRequest request, bool with_key, std::string& answer) {
  if (with_key) {
    request.user = "api";
    request.password = account_.key;
    request.headers.emplace_back("Content-Type: application/json");
  }
  Expected<HttpResponse> response = http_.Send(request);
  if (!response) {
    const bool final = response.error().code == ErrorCode::kConfig;
    return {final ? Outcome::kRefused : Outcome::kRetry, response.error().message, std::nullopt};
  }
  const Outcome outcome = Judge(response->status);
  answer = std::move(response->body);
  if (outcome == Outcome::kSuccess) return {};
  std::string words = "status " + std::to_string(response->status);
  if (response->status == 401) words += ": the server does not accept the API key";
  if (response->status == 403) words += ": the API key may not write here";
  if (!answer.empty()) words += " (" + FirstWords(answer) + ")";
  return {outcome, words, response->retry_after};
}

Attempt Api::Graphql(const char* query, const std::string& variables, std::string& data) {
  const std::string body =
      R"({"query":)" + Json(query).dump() + R"(,"variables":)" + variables + "}";
  HttpRequest request{"POST", account_.base_url + "/graphql", {}, body, {}, {}};
  std::string answer;
  Attempt attempt = Send(std::move(request), true, answer);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  const Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) return {Outcome::kRetry, "an answer that is not JSON", std::nullopt};
  if (const auto errors = json.find("errors"); errors != json.end() && !errors->empty())
    return Refuse(FirstWords(errors->dump()));
  if (!json.contains("data")) return {Outcome::kRetry, "an answer without data", std::nullopt};
  data = json["data"].dump();
  return {};
}

Attempt Api::UpsertRun(const RunRecord& run, const std::string& config, RunAddress& address) {
  const Json variables = {{"name", run.run_id},
                          {"project", TextOrNull(run.project)},
                          {"entity", TextOrNull(run.entity)},
                          {"groupName", TextOrNull(run.group)},
                          {"displayName", TextOrNull(run.display_name)},
                          {"notes", TextOrNull(run.notes)},
                          {"host", TextOrNull(run.host)},
                          {"config", config},
                          {"jobType", TextOrNull(run.job_type)},
                          {"tags", run.tags}};
  std::string data;
  Attempt attempt =
      Graphql(kUpsertBucket, variables.dump(-1, ' ', false, Json::error_handler_t::replace), data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  try {
    const Json bucket = Json::parse(data).at("upsertBucket").at("bucket");
    address.run_id = bucket.at("name");
    address.project = bucket.at("project").at("name");
    address.entity = bucket.at("project").at("entity").at("name");
  } catch (const Json::exception&) {
    return {Outcome::kRetry, "the server did not say where the run is", std::nullopt};
  }
  return {};
}

Attempt Api::Stream(const RunAddress& address, const std::map<std::string, StreamPart>& parts,
                    const std::vector<std::string>& uploaded, std::optional<int32_t> exit_code) {
  std::string body = R"({"files":{)";
  for (const auto& [stream, part] : parts) {
    if (body.back() != '{') body += ',';
    body += '"' + stream + R"(":{"offset":)" + std::to_string(part.offset) + R"(,"content":[)" +
            part.lines + "]}";
  }
  body += '}';
  if (!uploaded.empty())
    body += R"(,"uploaded":)" + Json(uploaded).dump(-1, ' ', false, Json::error_handler_t::replace);
  if (exit_code) body += R"(,"complete":true,"exitcode":)" + std::to_string(*exit_code);
  body += '}';
  const std::string url = account_.base_url + "/files/" + Escape(address.entity) + "/" +
                          Escape(address.project) + "/" + Escape(address.run_id) + "/file_stream";
  std::string answer;
  return Send({"POST", url, {}, body, {}, {}}, true, answer);
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
      // A path only: it lies on the same server.
      if (upload.url.starts_with('/')) upload.url.insert(0, account_.base_url);
      uploads.push_back(std::move(upload));
    }
  } catch (const Json::exception&) {
    return {Outcome::kRetry, "the server did not say where files go", std::nullopt};
  }
  return {};
}

Attempt Api::Put(const Upload& upload, std::string_view content) {
  std::string answer;
  // The storage is another server: it must not see the key.
  return Send({"PUT", upload.url, upload.headers, content, {}, {}}, false, answer);
}

}  // namespace flarebridge::wandb
