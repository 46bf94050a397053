#include "receivers/wandb/run/run_identity.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "receivers/wandb/log/record_reader.h"
#include "receivers/wandb/log/record_writer.h"

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

WandbArguments NoArguments() { return WandbArguments::Parse(Value()).value(); }

TEST_CASE("names, group and config are those of WandBReceiver") {
  const RunRecord run = IdentifyRun(SpecOf("j1", "site-1", "hello", "server"), NoArguments());
  CHECK(run.display_name == "site-1-j1-hello");
  CHECK(run.group == "hello-j1");
  CHECK(run.project == "uncategorized");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"job_id", "\"j1\""}, {"client", "\"site-1\""}, {"run_name", "\"hello\""}};
  CHECK(run.config == expected);
}

TEST_CASE("a run says on which side it is written, also to who reads its record") {
  for (const auto& [word, side] : {std::pair{"server", RunRecord::Side::kServer},
                                   std::pair{"client", RunRecord::Side::kClient}}) {
    const RunRecord run = IdentifyRun(SpecOf("j", "s", "n", word), NoArguments());
    CHECK(run.side == side);
    std::string bytes;
    AppendRun(1, run, nullptr, bytes);
    ParsedRecord record;
    REQUIRE(ParseRecord(bytes, record));
    CHECK(record.run.side == side);
  }
  RunRecord unknown;
  unknown.side = static_cast<RunRecord::Side>(9);
  std::string bytes;
  AppendRun(1, unknown, nullptr, bytes);
  ParsedRecord record;
  REQUIRE(ParseRecord(bytes, record));
  CHECK(record.run.side == RunRecord::Side::kUnknown);
}

TEST_CASE(
    "the id is stable, of safe characters, and differs where job, site, name or side differ") {
  std::set<std::string> ids;
  for (const RunSpec& spec :
       {SpecOf("j", "s", "n", "server"), SpecOf("j", "s", "n", "client"),
        SpecOf("j2", "s", "n", "server"), SpecOf("j", "s2", "n", "server"),
        SpecOf("j", "s", "n2", "server"), SpecOf("j", "../../etc", "n", "server"),
        SpecOf("js", "n", "", "server")}) {
    const std::string id = IdentifyRun(spec, NoArguments()).run_id;
    CHECK(id == IdentifyRun(spec, NoArguments()).run_id);
    CHECK(id.size() == 16);
    CHECK(std::all_of(id.begin(), id.end(),
                      [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }));
    ids.insert(id);
  }
  CHECK(ids.size() == 7);
}

// {"standalone": true, "id": id, "name": "mine", "group": "g", "config": {"lr": 1}}
Expected<WandbArguments> Standalone(const std::string& id) {
  std::string bytes = "\x85\xaastandalone\xc3\xa2id\xd9";
  bytes.push_back(static_cast<char>(id.size()));
  bytes += id + "\xa4name\xa4mine\xa5group\xa1g\xa6" + "config\x81\xa2lr\x01";
  return WandbArguments::Parse(Document::Parse(bytes).value().root());
}

TEST_CASE("a script's own run has the id, name, group and config that it was given, and no more") {
  const RunRecord run =
      IdentifyRun(SpecOf("j1", "site-1", "hello", "client"), Standalone("run-1.a_B").value());
  CHECK(run.run_id == "run-1.a_B");
  CHECK(run.display_name == "mine");
  CHECK(run.group == "g");
  CHECK(run.config == std::vector<std::pair<std::string, std::string>>{{"lr", "1"}});
}

TEST_CASE("the id of a script's own run can be a part of a file's name") {
  for (const std::string& bad : {std::string(), std::string("../x"), std::string("a/b"),
                                 std::string(".."), std::string("a b"), std::string(65, 'x')})
    CHECK_FALSE(Standalone(bad).has_value());
}

}  // namespace
}  // namespace flarebridge::wandb
