// Of W&B's requests (api.h) those that are not about what is kept of a run: what the server can do,
// and alerts.
#include <nlohmann/json.hpp>

#include "receivers/wandb/upload/api.h"

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;

constexpr const char* kServerFeatures = R"(query ServerFeaturesQuery {
 serverInfo { features { name isEnabled } }
})";

constexpr const char* kAlert = R"(mutation NotifyScriptableRunAlert($entityName: String!,
 $projectName: String!, $runName: String!, $title: String!, $text: String!,
 $severity: AlertSeverity = INFO, $waitDuration: Duration) {
 notifyScriptableRunAlert(input: {entityName: $entityName, projectName: $projectName,
  runName: $runName, title: $title, text: $text, severity: $severity,
  waitDuration: $waitDuration}) {
  success
 }
})";

}  // namespace

Attempt Api::AskFeatures(bool& structured_console) {
  structured_console = false;
  std::string data;
  Attempt attempt = Graphql(kServerFeatures, "{}", data);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  const Json answer = Json::parse(data);
  const Json info = answer.is_object() ? answer.value("serverInfo", Json()) : Json();
  const Json features = info.is_object() ? info.value("features", Json()) : Json();
  for (const Json& feature : features) {
    if (feature.is_object() && feature.value("name", Json()) == "STRUCTURED_CONSOLE_LOGS")
      structured_console = feature.value("isEnabled", Json()) == Json(true);
  }
  return attempt;
}

Attempt Api::Send(const RunAddress& address, const Alert& alert) {
  const Json variables = {{"entityName", address.entity},
                          {"projectName", address.project},
                          {"runName", address.run_id},
                          {"title", alert.title},
                          {"text", alert.text},
                          {"severity", alert.severity},
                          {"waitDuration", alert.wait_duration}};
  std::string data;
  return Graphql(kAlert, variables.dump(-1, ' ', false, Json::error_handler_t::replace), data);
}

}  // namespace flarebridge::wandb
