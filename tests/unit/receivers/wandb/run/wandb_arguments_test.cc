#include "receivers/wandb/run/wandb_arguments.h"

#include <doctest/doctest.h>

#include "receivers/wandb/run/run_identity.h"

namespace flarebridge::wandb {
namespace {

// {"project": project}
Document WithProject(const std::string& project) {
  std::string bytes = "\x81\xa7project\xd9";
  bytes.push_back(static_cast<char>(project.size()));
  return Document::Parse(bytes + project).value();
}

Expected<WandbArguments> Parse(const std::string& bytes) {
  return WandbArguments::Parse(Document::Parse(bytes).value().root());
}

TEST_CASE("without arguments a run is offline, in W&B's own project, and says nothing else") {
  const WandbArguments arguments = WandbArguments::Parse(Value()).value();
  CHECK(arguments.project() == "uncategorized");
  CHECK_FALSE(arguments.online());
  CHECK_FALSE(arguments.prefix_scalars());
  CHECK(arguments.system());
  CHECK(arguments.tags().empty());
  CHECK(arguments.config().empty());
}

TEST_CASE("one text is a tag, empty ones are none, and long ones are cut as W&B cuts them") {
  // {"tags": "one"}, {"tags": ""}
  CHECK(Parse("\x81\xa4tags\xa3one").value().tags() == std::vector<std::string>{"one"});
  CHECK(Parse("\x81\xa4tags\xa0").value().tags().empty());
  const std::string lengthy(65, 'x');
  CHECK(Parse("\x81\xa4tags\x91\xd9\x41" + lengthy).value().tags() ==
        std::vector<std::string>{lengthy.substr(0, 64)});
}

TEST_CASE("what says whose run it is stands in the config, whatever the user's config says") {
  // {"config": {"lr": 1, "client": 2}}
  const WandbArguments arguments = Parse(
                                       "\x81\xa6"
                                       "config\x82\xa2lr\x01\xa6"
                                       "client\x02")
                                       .value();
  CHECK(arguments.config().size() == 2);
  RunSpec spec;
  spec.site = "site-1";
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"lr", "1"}, {"job_id", "\"\""}, {"client", "\"site-1\""}, {"run_name", "\"\""}};
  CHECK(IdentifyRun(spec, arguments).config == expected);
}

TEST_CASE("a project that W&B would refuse is refused here, with the reason") {
  CHECK(WandbArguments::Parse(WithProject("fine-project_1").root()).has_value());
  for (const std::string& bad :
       {std::string("a/b"), std::string("a%b"), std::string("a:b"), std::string(129, 'x')}) {
    const Expected<WandbArguments> arguments = WandbArguments::Parse(WithProject(bad).root());
    REQUIRE_FALSE(arguments.has_value());
    CHECK(arguments.error().code == ErrorCode::kConfig);
    CHECK(arguments.error().message.find("\"" + bad + "\"") != std::string::npos);
  }
}

TEST_CASE("arguments of the wrong type are configuration errors") {
  // {"tags": 5}, {"tags": [""]}, {"config": []}, {"notes": 1}, {"id": 1}, {"prefix_scalars": 1},
  // {"system": 1}
  for (const char* bytes : {"\x81\xa4tags\x05", "\x81\xa4tags\x91\xa0",
                            "\x81\xa6"
                            "config\x90",
                            "\x81\xa5notes\x01", "\x81\xa2id\x01", "\x81\xaeprefix_scalars\x01",
                            "\x81\xa6system\x01"}) {
    const Expected<WandbArguments> arguments = Parse(bytes);
    REQUIRE_FALSE(arguments.has_value());
    CHECK(arguments.error().code == ErrorCode::kConfig);
    CHECK(arguments.error().message.starts_with("wandb argument "));
  }
}

TEST_CASE("a mode is offline or online, and nothing else") {
  // {"mode": ...}
  CHECK(Parse("\x81\xa4mode\xa6online").value().online());
  CHECK_FALSE(Parse("\x81\xa4mode\xa7offline").value().online());
  CHECK_FALSE(Parse("\x81\xa4mode\xc0").value().online());
  CHECK_FALSE(Parse("\x81\xa4mode\xa3"
                    "off")
                  .has_value());
  CHECK_FALSE(Parse("\x81\xa4mode\xc3").has_value());
}

TEST_CASE("of several wrong arguments the first is told") {
  // {"mode": 1, "notes": 1}: in the order in which they are read
  const Expected<WandbArguments> arguments = Parse("\x82\xa4mode\x01\xa5notes\x01");
  REQUIRE_FALSE(arguments.has_value());
  CHECK(arguments.error().message == "wandb argument notes must be a text");
}

}  // namespace
}  // namespace flarebridge::wandb
