// Laws of the tags of keys.
#include "receivers/wandb/run/tag_keys.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

using Outcome = TagKeys::Outcome;
using Tags = std::vector<std::string>;

TEST_CASE("a tag that is set again replaces that of its key, in its place") {
  TagKeys keys;
  Tags tags;
  CHECK(keys.Set("a", "a:1", tags) == Outcome::kChanged);
  CHECK(keys.Set("a:b", "a:b:1", tags) == Outcome::kChanged);
  CHECK(keys.Set("a", "a:2", tags) == Outcome::kChanged);
  CHECK(tags == Tags{"a:2", "a:b:1"});
  CHECK(keys.Set("a", "a:2", tags) == Outcome::kSame);
  CHECK(keys.Set("a", "", tags) == Outcome::kChanged);
  CHECK(tags == Tags{"a:b:1"});
}

TEST_CASE("a tag that the run's author has chosen is never replaced") {
  TagKeys keys;
  Tags tags{"a:1"};
  CHECK(keys.Set("a", "a:1", tags) == Outcome::kSame);
  CHECK(keys.Set("a", "a:2", tags) == Outcome::kChanged);
  CHECK(tags == Tags{"a:1", "a:2"});
  CHECK(keys.Set("a", "a:1", tags) == Outcome::kChanged);
  CHECK(tags == Tags{"a:1"});
}

TEST_CASE("a run has a bounded number of tags, of which each can still be replaced") {
  TagKeys keys;
  Tags tags;
  for (size_t i = 0; i < TagKeys::kMost; ++i)
    REQUIRE(keys.Set(std::to_string(i), std::to_string(i), tags) == Outcome::kChanged);
  CHECK(keys.Set("new", "new", tags) == Outcome::kNoRoom);
  CHECK(keys.Set("0", "other", tags) == Outcome::kChanged);
  CHECK(tags.front() == "other");
  CHECK(tags.size() == TagKeys::kMost);
}

}  // namespace
}  // namespace flarebridge::wandb
