#include "receivers/wandb/upload/upload_config.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;
using protozero::pbf_writer;

struct Sources {
  Json Config(std::string_view earlier = {}) const {
    const ConfigSources sources{config, telemetry, metrics, environment, run_id};
    return Json::parse(ConfigJson(UploadedConfig(sources, earlier)));
  }
  Json Own(std::string_view earlier = {}) const { return Config(earlier)["_wandb"]["value"]; }

  JsonObject config;
  Telemetry telemetry;
  MetricDefinitions metrics;
  std::string environment, run_id = "run";
};

std::string TelemetryBytes(uint32_t feature, const char* client) {
  std::string bytes;
  pbf_writer message(bytes);
  {
    pbf_writer flags(message, 3);
    flags.add_bool(feature, true);
    flags.add_bool(99, false);
  }
  message.add_string(4, "3.11.8");
  if (client != nullptr) message.add_string(5, client);
  pbf_writer(message, 9).add_string(1, "c");
  return bytes;
}

TEST_CASE("a run of nothing has what makes it resumable, and a version of three numbers") {
  const Json own = Sources().Own();
  CHECK(own["t"] == Json::object());
  CHECK(own["m"] == Json::array());
  CHECK(own["cli_version"] == FLAREBRIDGE_VERSION);
  CHECK_FALSE(own.contains("e"));
  CHECK_FALSE(own.contains("visualize"));
}

TEST_CASE("telemetry is numbered by its fields, later records add to earlier ones") {
  Sources sources;
  sources.telemetry.Take(TelemetryBytes(13, "0.31.0"));
  sources.telemetry.Take(TelemetryBytes(4, nullptr));
  sources.telemetry.Take("\x1a\x99 no message");
  const Json own = sources.Own();
  CHECK(own["t"] == Json::parse(R"({"3":[4,13],"4":"3.11.8","5":"0.31.0","9":{"1":"c"}})"));
  CHECK(own["cli_version"] == "0.31.0");
  CHECK(own["python_version"] == "3.11.8");
}

TEST_CASE("charts, class labels and all else that the log has below _wandb stay") {
  Sources sources;
  sources.config.Set({"_wandb"}, R"({"framework":"torch"})");
  sources.config.Set({"_wandb", "visualize", "chart"}, R"({"panel_type":"Vega2","x":NaN})");
  sources.config.Set({"_wandb", "mask/class_labels", "m"}, R"({"type":"mask"})");
  sources.config.Set({"lr"}, "0.1");
  const Json own = sources.Own();
  CHECK(own["framework"] == "torch");
  CHECK(own["visualize"]["chart"] == Json::parse(R"({"panel_type":"Vega2","x":"NaN"})"));
  CHECK(own["mask/class_labels"]["m"]["type"] == "mask");
  CHECK(sources.Config()["lr"]["value"] == 0.1);
}

TEST_CASE("the environment lies under its writer, or the run") {
  Sources sources;
  pbf_writer(sources.environment).add_string(1, "Linux");
  CHECK(sources.Own()["e"] == Json::parse(R"({"run":{"os":"Linux"}})"));
  pbf_writer(sources.environment).add_string(199, "w1");
  CHECK(sources.Own()["e"] == Json::parse(R"({"w1":{"os":"Linux","writerId":"w1"}})"));
}

TEST_CASE("of earlier parts stays what this one has not set, and the charts of both") {
  Sources sources;
  sources.config.Set({"both"}, "2");
  sources.config.Set({"_wandb", "visualize", "new"}, "1");
  const char* earlier =
      R"({"both":{"value":1},"old":{"desc":null,"value":{"deep":[1]}},
          "_wandb":{"value":{"visualize":{"old":1,"new":0},"framework":"keras","mask/class_labels":{"m":1},"t":{"3":[1]}}}})";
  const Json config = sources.Config(earlier);
  CHECK(config["both"]["value"] == 2);
  CHECK(config["old"] == Json::parse(R"({"value":{"deep":[1]}})"));
  const Json& own = config["_wandb"]["value"];
  CHECK(own["visualize"] == Json::parse(R"({"new":1,"old":1})"));
  CHECK(own["mask/class_labels"] == Json::parse(R"({"m":1})"));
  CHECK(own["t"] == Json::object());
  CHECK_FALSE(own.contains("framework"));
}

}  // namespace
}  // namespace flarebridge::wandb
