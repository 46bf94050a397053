#include "receivers/wandb/upload/strict_json.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

TEST_CASE("what is JSON, with W&B's bare tokens, is known from what is none") {
  for (const char* text :
       {"1", "-0.5e+3", "0", " true ", "null", "NaN", "-Infinity", R"("a\u00e9\\")", "[]", "{}",
        R"({"a": [1, {"b": NaN}], "c": "}"})", "[[[1],[2]]]"}) {
    INFO(text);
    CHECK(IsJson(text));
  }
  for (const char* text :
       {"",    " ",        "nope",      "01",          "1.",       "-",    "1e",    "+1",
        "'a'", R"("a)",    R"("\x")",   R"("\u12g4")", "\"a\nb\"", "[1,]", "[1 2]", "{",
        "}",   R"({"a"})", R"({"a":})", R"({a:1})",    "1 2",      "[1}",  "nan",   "Infinit"}) {
    INFO(text);
    CHECK_FALSE(IsJson(text));
  }
}

TEST_CASE("values of any depth take no stack") {
  const std::string deep(1'000'000, '[');
  CHECK_FALSE(IsJson(deep));
  CHECK(JsonDepth(deep + std::string(1'000'000, ']')) == 1'000'000);
  CHECK(JsonDepth("1") == 0);
  CHECK(JsonDepth("{}") == 1);
  CHECK(JsonDepth(R"([1, {"a": []}, [2]])") == 3);
}

TEST_CASE("an object's members are given as they stand there") {
  std::string seen;
  VisitMembers(R"( {"a\"" : [1, 2] , "b":{"c":NaN}} )",
               [&](const std::string& key, std::string_view json) {
                 seen += key + "=" + std::string(json) + ";";
               });
  CHECK(seen == R"(a"=[1, 2];b={"c":NaN};)");
  VisitMembers("[1]", [](const std::string&, std::string_view) { FAIL("no object"); });
}

}  // namespace
}  // namespace flarebridge::wandb
