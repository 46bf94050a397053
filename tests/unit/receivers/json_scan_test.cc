// JSON of others, taken apart: what is whole is given as it stands, and nothing else harms.
#include "receivers/json_scan.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace flarebridge;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs MembersOf(std::string_view json, bool whole = true) {
  Pairs pairs;
  const bool is_object = VisitMembers(
      json, [&](std::string_view key, std::string_view value) { pairs.emplace_back(key, value); });
  CHECK(is_object == whole);
  return pairs;
}

std::vector<std::string> ItemsOf(std::string_view json, bool whole = true) {
  std::vector<std::string> items;
  CHECK(VisitItems(json, [&](std::string_view item) { items.emplace_back(item); }) == whole);
  return items;
}

}  // namespace

TEST_CASE("members and items are given as they stand, whatever lies in them") {
  CHECK(MembersOf(R"({"a":1,"b\"":{"c":[1,"}"]}, "d" : "x,y\\" , "e":NaN})") ==
        Pairs{{"\"a\"", "1"},
              {R"("b\"")", R"({"c":[1,"}"]})"},
              {"\"d\"", R"("x,y\\")"},
              {"\"e\"", "NaN"}});
  CHECK(MembersOf("{}").empty());
  CHECK(ItemsOf(R"([1, [2,3], {"a":"]"}, null, "x"])") ==
        std::vector<std::string>{"1", "[2,3]", R"({"a":"]"})", "null", "\"x\""});
  CHECK(ItemsOf(" [ ] ").empty());
}

TEST_CASE("what is no object or list, or not to its end, is told, and nothing beyond it is read") {
  const std::string whole = R"({"a":"\u00e9\"","b":[1,{"c":null}]})";
  for (size_t size = 0; size < whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    (void)MembersOf(cut, false);
    (void)TextIn(cut);
  }
  for (const char* json : {"", "1", "[", "{", "{1:2}", "{\"a\"}", "{\"a\":}", "{\"a\":1,", "\"\\"})
    (void)MembersOf(json, false);
  (void)ItemsOf("{}", false);
  (void)ItemsOf("[1 2]", false);
  const std::string deep(1'000'000, '[');
  (void)ItemsOf(deep, false);
}

TEST_CASE("a text loses its quotes and escapes; halves of pairs and wrong digits are replaced") {
  CHECK(TextIn(R"("a\n\t\"\\\/é")") == "a\n\t\"\\/é");
  CHECK(TextIn(R"("\u00e9\ud83d\ude00")") == "é😀");
  CHECK(TextIn(R"("\ud83d")") == "\uFFFD");
  CHECK(TextIn(R"("\ude00x\ud83d\u0041")") == "\uFFFDx\uFFFDA");
  CHECK(TextIn(R"("\uzz")") == "\uFFFDzz");
  CHECK(TextIn(R"("\u0000")") == std::string(1, '\0'));
  CHECK_FALSE(TextIn("1").has_value());
  CHECK_FALSE(TextIn("\"").has_value());
}
