#include "receivers/wandb/upload/json_object.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

TEST_CASE("leaves lie at their paths, in the keys' order") {
  JsonObject object;
  CHECK(object.empty());
  object.Set({"b"}, "1");
  object.Set({"a", "x"}, "\"text\"");
  object.Set({"a", "w", "deep"}, "[1,2]");
  CHECK(object.Text() == R"({"a":{"w":{"deep":[1,2]},"x":"text"},"b":1})");
  CHECK(object.Members().at("a") == R"({"w":{"deep":[1,2]},"x":"text"})");
}

TEST_CASE("what is set later wins, also between a leaf and an object") {
  JsonObject object;
  object.Set({"a"}, "1");
  object.Set({"a", "b"}, "2");
  CHECK(object.Text() == R"({"a":{"b":2}})");
  object.Set({"a"}, "3");
  CHECK(object.Text() == R"({"a":3})");
}

TEST_CASE("removing takes a leaf or an object, and nothing where nothing is") {
  JsonObject object;
  object.Set({"a", "b"}, "1");
  object.Set({"a", "c"}, "2");
  object.Remove({"a", "b"});
  object.Remove({"a", "d"});
  object.Remove({"x", "y"});
  object.Remove({"a", "c", "e"});
  CHECK(object.Text() == R"({"a":{"c":2}})");
  object.Remove({"a"});
  CHECK(object.empty());
}

TEST_CASE("a leaf that is an object keeps its members when one is set or removed inside of it") {
  JsonObject object;
  object.Set({"a"}, R"({"b": {"c": NaN, "d": [1, {"e": "}"}]}, "f\n": 2})");
  object.Set({"a", "b", "c"}, "3");
  CHECK(object.Text() == R"({"a":{"b":{"c":3,"d":[1, {"e": "}"}]},"f\n":2}})");
  object.Set({"x"}, R"({"y": 1, "z": 2})");
  object.Remove({"x", "y"});
  CHECK(object.MembersOf("x") == std::map<std::string, std::string>{{"z", "2"}});
  object.Set({"x"}, R"( {"y": 1} )");
  CHECK(object.MembersOf("x") == std::map<std::string, std::string>{{"y", "1"}});
  CHECK(object.MembersOf("no").empty());
}

TEST_CASE("a path is as deep as it may be, and no deeper") {
  const auto path = [](size_t components) {
    return std::vector<std::string_view>(components, "a");
  };
  JsonObject object;
  object.Set(path(100'000), "1");
  CHECK(object.empty());
  object.Set({"a"}, std::string(100'000, '[') + std::string(100'000, ']'));
  object.Remove(path(100'000));
  CHECK(object.Text().size() == 200'000 + std::string("{'a':}").size());
  object.Set(path(JsonObject::kMaxDepth), "1");
  CHECK(object.Text().size() == JsonObject::kMaxDepth * std::string("{'a':}").size() + 1);
}

TEST_CASE("keys are escaped") {
  JsonObject object;
  object.Set({"a\"\n"}, "1");
  CHECK(object.Text() == R"({"a\"\n":1})");
}

}  // namespace
}  // namespace flarebridge::wandb
