#include "receivers/argument_changes.h"

#include <doctest/doctest.h>

#include "receivers/json.h"

namespace flarebridge {
namespace {

// A map from receivers to arguments: {"wandb": {"project": "a/b", "mode": "often"}, "jsonl": {}}.
Document Receivers() {
  return Document::Parse(
             "\x82\xa5wandb\x82\xa7project\xa3"
             "a/b\xa4mode\xa5often\xa5jsonl\x80")
      .value();
}

std::string After(const std::vector<std::string>& typed) {
  ArgumentChanges changes;
  for (const std::string& one : typed) REQUIRE(changes.Add(one).has_value());
  return ToJson(changes.AppliedTo(Receivers().root()).root());
}

std::string Refusal(const std::string& typed) {
  ArgumentChanges changes;
  const Expected<void> added = changes.Add(typed);
  REQUIRE_FALSE(added.has_value());
  CHECK(added.error().code == ErrorCode::kConfig);
  CHECK(changes.empty());
  return added.error().message;
}

TEST_CASE("an argument is replaced, added or taken away, and all others stay") {
  CHECK(After({"wandb.project=b"}) == R"({"wandb":{"mode":"often","project":"b"},"jsonl":{}})");
  CHECK(After({"wandb.mode=", "jsonl.dir=/tmp/x"}) ==
        R"({"wandb":{"project":"a/b"},"jsonl":{"dir":"/tmp/x"}})");
  CHECK(After({"wandb.project=b", "wandb.project=c=d.e", "wandb.mode=offline"}) ==
        R"({"wandb":{"project":"c=d.e","mode":"offline"},"jsonl":{}})");
}

TEST_CASE("a value is of its argument's kind") {
  CHECK(After({"jsonl.sites=a,b", "wandb.prefix_scalars=true"}) ==
        R"({"wandb":{"project":"a/b","mode":"often","prefix_scalars":true},)"
        R"("jsonl":{"sites":["a","b"]}})");
  CHECK(Refusal("wandb.prefix_scalars=yes").find("true or false") != std::string::npos);
  CHECK(Refusal("wandb.config={}").find("is a dict") != std::string::npos);
  CHECK(Refusal("wandb.dir=~/runs").find("absolute") != std::string::npos);
}

TEST_CASE("of a name that is not known the nearest one is told") {
  CHECK(Refusal("wandb.projct=x").find("is it \"project\"?") != std::string::npos);
  CHECK(Refusal("jsnl.dir=/x").find("is it \"jsonl\"?") != std::string::npos);
  CHECK(Refusal("jsonl.project=x").find("there are dir, include") != std::string::npos);
  for (const char* typed : {"", "wandb", "wandb.project", "=x", "wandb=x", "project=a.b"})
    CHECK(Refusal(typed).find("is not RECEIVER.ARGUMENT=VALUE") != std::string::npos);
}

TEST_CASE("the arguments that a receiver refuses are named, all of them and no others") {
  const Document owned = Receivers();
  CHECK(RefusedArguments("wandb", *owned.root().Find("wandb")) ==
        std::vector<std::string>{"project", "mode"});
  CHECK(RefusedArguments("jsonl", *owned.root().Find("jsonl")).empty());
  CHECK(RefusedArguments("mlflow", *owned.root().Find("jsonl")).empty());
}

TEST_CASE("the folders that are named are absolute") {
  ArgumentChanges changes;
  REQUIRE(changes.Add("wandb.dir=/tmp/x").has_value());
  REQUIRE(changes.Add("wandb.notes=/tmp/y").has_value());
  CHECK(changes.Folders() == std::vector<std::string>{"/tmp/x"});
  CHECK(changes.Receivers() == "wandb");
  CHECK(changes.IsAbout("wandb"));
  CHECK_FALSE(changes.IsAbout("jsonl"));
}

}  // namespace
}  // namespace flarebridge
