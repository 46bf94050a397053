#include "receivers/wandb/log/item_list.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb {
namespace {

using Items = std::vector<std::pair<std::string, std::string>>;  // path's only component, JSON

// What protobuf's own rules make of the items.
std::string Encoded(const Items& items) {
  std::string bytes;
  protozero::pbf_writer list(bytes);
  for (const auto& [component, json] : items) {
    protozero::pbf_writer item(list, 1);
    item.add_string(2, component);
    item.add_string(16, json);
  }
  return bytes;
}

void Expect(const ItemList& list, const Items& items) {
  CHECK(list.encoded() == Encoded(items));
  REQUIRE(list.size() == items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    CHECK(list.path(i) == PathOf(items[i].first));
    CHECK(list.json(i) == items[i].second);
  }
}

// Where the bytes of a length become more: 1, 2 and 3.
const std::vector<size_t> kLengths = {0,   1,   118, 119, 120, 121,   122,  123,
                                      124, 125, 126, 127, 128, 16383, 16384};

TEST_CASE("items of any length are what protobuf makes of them") {
  ItemList list;
  Items items;
  for (const size_t key : kLengths) {
    for (const size_t value : kLengths) {
      items.emplace_back(std::to_string(items.size()) + std::string(key, 'k'),
                         std::string(value, 'v'));
      list.Add(PathOf(items.back().first), items.back().second);
    }
  }
  Expect(list, items);
}

TEST_CASE("a value that is replaced by a longer or shorter one leaves the others as they were") {
  for (const size_t before : kLengths) {
    for (const size_t after : kLengths) {
      ItemList list;
      Items items = {{"a", "1"}, {"b", std::string(before, 'v')}, {"c", "3"}};
      for (const auto& [component, json] : items) list.Add(PathOf(component), json);
      items[1].second = std::string(after, 'w');
      list.Put(PathOf("b"), items[1].second);
      Expect(list, items);
    }
  }
}

TEST_CASE("a list takes all of another: what is there keeps its place and gets the newer value") {
  for (const size_t many : {size_t{3}, size_t{100}}) {  // one by one, and all together
    ItemList list;
    ItemList newer;
    Items items;
    for (size_t i = 0; i < many; ++i) {
      items.emplace_back(std::to_string(i), "old");
      list.Add(PathOf(items.back().first), "old");
    }
    for (size_t i = many % 2; i < many; i += 2) {
      items[i].second = std::string(200, 'n');
      newer.Add(PathOf(items[i].first), items[i].second);
    }
    const size_t both = newer.size();
    items.emplace_back("new", "1");
    newer.Add(PathOf("new"), "1");
    CHECK(list.TakeAll(newer) == both);
    CHECK(newer.empty());
    Expect(list, items);
    CHECK(list.Find(PathOf("new")) == items.size() - 1);
  }
}

TEST_CASE(
    "an item is found by its path, among few and among many, also when the list is used again") {
  ItemList list;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) {
      list.Put(PathOf(std::to_string(i)), std::to_string(round));
      CHECK(list.Find(PathOf(std::to_string(i))) == std::optional<size_t>(i));
      CHECK(!list.Find(PathOf(std::to_string(i + 1))));
    }
    list.Clear();
    CHECK(list.empty());
    CHECK(!list.Find(PathOf("5")));
  }
}

}  // namespace
}  // namespace flarebridge::wandb
