#include "receivers/wandb/run/run_identity.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

namespace flarebridge::wandb {
namespace {

RunSpec SpecOf(const std::string& job, const std::string& site, const std::string& name,
               const std::string& side) {
  RunSpec spec;
  spec.job = job;
  spec.site = site;
  spec.run_name = name;
  spec.side = side;
  return spec;
}

// {"project": project}
Document WithProject(const std::string& project) {
  std::string bytes = "\x81\xa7project\xd9";
  bytes.push_back(static_cast<char>(project.size()));
  return Document::Parse(bytes + project).value();
}

TEST_CASE("names, group and config are those of WandBReceiver") {
  const RunRecord run = IdentifyRun(SpecOf("j1", "site-1", "hello", "server"), Value()).value();
  CHECK(run.display_name == "site-1-j1-hello");
  CHECK(run.group == "hello-j1");
  CHECK(run.project == "uncategorized");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"job_id", "\"j1\""}, {"client", "\"site-1\""}, {"run_name", "\"hello\""}};
  CHECK(run.config == expected);
}

TEST_CASE(
    "the id is stable, of safe characters, and differs where job, site, name or side differ") {
  std::set<std::string> ids;
  for (const RunSpec& spec :
       {SpecOf("j", "s", "n", "server"), SpecOf("j", "s", "n", "client"),
        SpecOf("j2", "s", "n", "server"), SpecOf("j", "s2", "n", "server"),
        SpecOf("j", "s", "n2", "server"), SpecOf("j", "../../etc", "n", "server"),
        SpecOf("js", "n", "", "server")}) {
    const std::string id = IdentifyRun(spec, Value()).value().run_id;
    CHECK(id == IdentifyRun(spec, Value()).value().run_id);
    CHECK(id.size() == 16);
    CHECK(std::all_of(id.begin(), id.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }));
    ids.insert(id);
  }
  CHECK(ids.size() == 7);
}

TEST_CASE("a project that W&B would refuse is refused here, with the reason") {
  CHECK(IdentifyRun(SpecOf("j", "s", "n", "server"), WithProject("fine-project_1").root())
            .has_value());
  for (const std::string& bad :
       {std::string("a/b"), std::string("a%b"), std::string("a:b"), std::string(129, 'x')}) {
    const Expected<RunRecord> run =
        IdentifyRun(SpecOf("j", "s", "n", "server"), WithProject(bad).root());
    REQUIRE_FALSE(run.has_value());
    CHECK(run.error().code == ErrorCode::kConfig);
  }
}

TEST_CASE("arguments of the wrong type are configuration errors") {
  // {"tags": 5}, {"config": []}, {"notes": 1}
  for (const char* bytes : {"\x81\xa4tags\x05",
                            "\x81\xa6"
                            "config\x90",
                            "\x81\xa5notes\x01"}) {
    const Document arguments = Document::Parse(bytes).value();
    CHECK_FALSE(IdentifyRun(SpecOf("j", "s", "n", "server"), arguments.root()).has_value());
  }
}

}  // namespace
}  // namespace flarebridge::wandb
