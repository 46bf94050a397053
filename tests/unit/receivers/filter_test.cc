#include "receivers/filter.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace flarebridge {
namespace {

Document FromJson(const char* text) {
  const std::vector<uint8_t> bytes = nlohmann::json::to_msgpack(nlohmann::json::parse(text));
  return Document::Parse(std::string(bytes.begin(), bytes.end())).value();
}

bool Wants(const char* arguments, const char* receivers, std::string_view tag,
           Writer writer = Writer::kWandb, std::string_view site = "site-1") {
  const Document parsed = FromJson(arguments);
  const Document addressed = FromJson(receivers);
  Data data;
  data.site = site;
  data.tag = tag;
  data.writer = writer;
  data.receivers = addressed.root();
  return Filter::Parse("wandb", parsed.root()).value().Wants(data);
}

TEST_CASE("without arguments everything passes") { CHECK(Wants("{}", "null", "loss")); }

TEST_CASE("an event that names receivers goes to those only") {
  CHECK(Wants("{}", R"(["mlflow", "wandb"])", "loss"));
  CHECK_FALSE(Wants("{}", R"(["mlflow"])", "loss"));
  CHECK_FALSE(Wants("{}", "[]", "loss"));
}

TEST_CASE("include and exclude are globs on the tag; exclude wins") {
  const char* arguments = R"({"include": ["train/*"], "exclude": ["*secret*"]})";
  CHECK(Wants(arguments, "null", "train/loss"));
  CHECK_FALSE(Wants(arguments, "null", "val/loss"));
  CHECK_FALSE(Wants(arguments, "null", "train/secret"));
  CHECK(Wants(R"({"include": "a*"})", "null", "abc"));
}

TEST_CASE("a sample of the machine goes by no name and no writer, but by its site and receivers") {
  const auto wants = [](const char* arguments, const char* receivers, const char* value) {
    const Document parsed = FromJson(arguments), addressed = FromJson(receivers);
    const Document sample = FromJson(value);
    Data data;
    data.site = "site-1";
    data.type = DataType::kOperation;
    data.tag = "system";
    data.writer = Writer::kWandb;
    data.receivers = addressed.root();
    data.value = sample.root();
    return Filter::Parse("wandb", parsed.root()).value().Wants(data);
  };
  const char* sample = R"({"op": "stats", "items": {"cpu": 1}})";
  const char* narrow = R"({"include": "loss", "exclude": "*", "writers": "MLFLOW"})";
  CHECK(wants(narrow, "null", sample));
  CHECK_FALSE(wants(narrow, "null", R"({"op": "alert"})"));
  CHECK_FALSE(wants(R"({"sites": "site-2"})", "null", sample));
  CHECK_FALSE(wants("{}", R"(["jsonl"])", sample));
}

TEST_CASE("in a dict of metrics the keys are the names, and only wanted ones are left") {
  const Document arguments = FromJson(R"({"include": ["train/*", "lr"], "exclude": ["*secret*"]})");
  const Filter filter = Filter::Parse("wandb", arguments.root()).value();
  const Document value =
      FromJson(R"({"train/loss": [1, {"a": 2}], "x": {"y": 1}, "lr": 0.5, "train/secret": 3})");
  Data data;
  data.site = "site-1";
  data.type = DataType::kMetrics;
  data.tag = "metrics";
  data.value = value.root();
  REQUIRE(filter.Wants(data));
  Tape tape;
  const std::optional<Event> narrowed = filter.Narrowed(data, tape);
  REQUIRE(narrowed.has_value());
  std::string bytes;
  EncodeValue(std::get<Data>(*narrowed).value, bytes);
  CHECK(nlohmann::json::from_msgpack(bytes) ==
        nlohmann::json::parse(R"({"train/loss": [1, {"a": 2}], "lr": 0.5})"));

  const Document unwanted = FromJson(R"({"x": 1})");
  data.value = unwanted.root();
  CHECK_FALSE(filter.Wants(data));
  const Document all = FromJson(R"({"lr": 1})");
  data.value = all.root();
  CHECK(filter.Wants(data));
  CHECK_FALSE(filter.Narrowed(data, tape).has_value());
}

TEST_CASE("sites are globs, writers are names in any of NVFlare's spellings") {
  CHECK(Wants(R"({"sites": ["site-*"]})", "null", "x"));
  CHECK_FALSE(Wants(R"({"sites": ["clinic-*"]})", "null", "x"));
  CHECK(Wants(R"({"writers": ["TORCH_TENSORBOARD"]})", "null", "x", Writer::kTensorBoard));
  CHECK_FALSE(Wants(R"({"writers": ["MLFLOW"]})", "null", "x", Writer::kTensorBoard));
}

TEST_CASE("a run's start and end go to the receivers of its site") {
  const Document arguments = FromJson(R"({"include": ["x"], "sites": ["site-1"]})");
  const Filter filter = Filter::Parse("wandb", arguments.root()).value();
  CHECK(filter.Wants(RunStarted{1, "site-1"}));
  CHECK_FALSE(filter.Wants(RunStarted{1, "site-2"}));
}

TEST_CASE("arguments of the wrong type and unknown writers are configuration errors") {
  for (const char* bad : {R"({"include": 5})", R"({"sites": [1]})", R"({"writers": ["COMET"]})"}) {
    const Document arguments = FromJson(bad);
    const Expected<Filter> filter = Filter::Parse("wandb", arguments.root());
    REQUIRE_FALSE(filter.has_value());
    CHECK(filter.error().code == ErrorCode::kConfig);
  }
}

}  // namespace
}  // namespace flarebridge
