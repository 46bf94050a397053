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

TEST_CASE("keys are escaped") {
  JsonObject object;
  object.Set({"a\"\n"}, "1");
  CHECK(object.Text() == R"({"a\"\n":1})");
}

}  // namespace
}  // namespace flarebridge::wandb
