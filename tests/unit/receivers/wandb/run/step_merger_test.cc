#include "receivers/wandb/run/step_merger.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

using std::chrono::milliseconds;

class Merging {
 public:
  explicit Merging(std::optional<int64_t> last_step = std::nullopt)
      : merger(StepMerger::Limits(), last_step) {}

  void Add(std::optional<int64_t> step, const std::string& key, const std::string& json) {
    ++position;
    ItemList items;
    items.Add(key, json);
    merger.Add(position, step, static_cast<double>(position), items, now);
  }
  // The rows that came out, as "step:key=json,key=json" with "<own step" where that differs.
  std::vector<std::string> Take() {
    std::vector<std::string> rows;
    for (const StepMerger::Row& row : merger.ready()) {
      std::string text = std::to_string(row.step);
      if (row.own_step) text += "<" + std::to_string(*row.own_step);
      const char* separator = ":";
      for (size_t i = 0; i < row.items.size(); ++i) {
        text += separator;
        text += row.items.path(i);
        text += "=";
        text += row.items.json(i);
        separator = ",";
      }
      rows.push_back(text);
    }
    merger.ClearReady();
    return rows;
  }

  StepMerger merger;
  StepMerger::Time now{};
  uint64_t position = 0;
};

using Rows = std::vector<std::string>;

TEST_CASE("records of one step become one row, rows come in rising order") {
  Merging m;
  m.Add(2, "a", "1");
  m.Add(1, "a", "0");
  m.Add(2, "b", "2");
  CHECK(m.Take().empty());
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"1:a=0", "2:a=1,b=2"});
}

TEST_CASE("a row is held back for the window and no longer, those of lower steps go with it") {
  Merging m;
  m.Add(5, "a", "1");
  m.now += milliseconds(200);
  m.Add(4, "a", "2");
  m.Add(6, "a", "3");
  m.merger.Release(m.now + milliseconds(99));
  CHECK(m.Take().empty());
  CHECK(m.merger.NextDue() == StepMerger::Time{} + milliseconds(300));
  m.merger.Release(m.now + milliseconds(100));
  CHECK(m.Take() == Rows{"4:a=2", "5:a=1"});
  m.merger.Release(m.now + milliseconds(300));
  CHECK(m.Take() == Rows{"6:a=3"});
  CHECK_FALSE(m.merger.NextDue().has_value());
}

TEST_CASE("a record that comes after its row is written is a row of the next number") {
  Merging m;
  m.Add(5, "a", "1");
  m.merger.ReleaseAll();
  m.Add(5, "b", "2");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"5:a=1", "6<5:b=2"});
  CHECK(m.merger.late() == 1);
}

TEST_CASE("a record that comes after higher steps is a row behind them, with its own step") {
  Merging m(10);
  m.Add(3, "a", "1");
  m.Add(11, "a", "2");
  m.Add(20, "a", "3");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"11<3:a=1", "12<11:a=2", "20:a=3"});
  CHECK(m.merger.late() == 1);
}

TEST_CASE("records without a step get rows of their own behind what came before") {
  Merging m;
  m.Add(std::nullopt, "a", "1");
  m.Add(7, "a", "2");
  m.Add(std::nullopt, "a", "3");
  m.Add(std::nullopt, "a", "4");
  CHECK(m.Take() == Rows{"0:a=1", "7:a=2", "8:a=3", "9:a=4"});
}

TEST_CASE("of two values for one key of one row the later one stays, and is counted") {
  Merging m;
  m.Add(1, "a", "1");
  m.Add(1, "a", "2");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"1:a=2"});
  CHECK(m.merger.overwritten() == 1);
}

TEST_CASE("what is held back is bounded: the lowest steps go first") {
  Merging m;
  for (int64_t step = 1000; step > 0; --step) m.Add(step, "a", "0");
  CHECK(m.Take().size() == 1000 - 256);
  m.merger.ReleaseAll();
  CHECK(m.Take().size() == 256);
}

TEST_CASE("what is held back is bounded in bytes too: no row grows without end") {
  Merging m;
  const std::string json(100000, '1');
  size_t rows = 0;
  for (int i = 0; i < 500; ++i) {
    m.Add(7, "key" + std::to_string(i), json);
    for (const StepMerger::Row& row : m.merger.ready()) CHECK(row.items.size() <= 50);
    rows += m.Take().size();
  }
  CHECK(rows >= 10);
}

TEST_CASE("behind the highest step there is, no row gets a higher one") {
  Merging m;
  m.Add(INT64_MAX, "a", "1");
  m.Add(std::nullopt, "a", "2");
  m.Add(3, "a", "3");
  m.merger.ReleaseAll();
  const std::string highest = std::to_string(INT64_MAX);
  CHECK(m.Take() == Rows{highest + ":a=1", highest + ":a=2", highest + "<3:a=3"});
}

TEST_CASE(
    "once records come out of order they are waited for longer, until they come in order again") {
  Merging m;
  m.position = 100;
  m.Add(5, "a", "1");
  m.position = 10;  // its time, too: logged before the one above
  m.Add(4, "a", "2");
  CHECK(m.merger.reordered() == 1);
  m.merger.Release(m.now + milliseconds(1999));
  CHECK(m.Take().empty());
  m.position = 50;
  m.Add(3, "a", "3");
  m.merger.Release(m.now + milliseconds(2000));
  CHECK(m.Take() == Rows{"3:a=3", "4:a=2", "5:a=1"});
  CHECK(m.merger.late() == 0);
  m.now += milliseconds(10001);
  m.position = 200;
  m.Add(6, "a", "4");
  CHECK(m.merger.NextDue() == m.now + milliseconds(300));
  m.merger.Release(m.now + milliseconds(300));
  CHECK(m.Take() == Rows{"6:a=4"});
}

TEST_CASE("in a row of many keys, too, a key's later value stays and keys keep their order") {
  Merging m;
  for (int i = 0; i < 200; ++i) m.Add(1, "k" + std::to_string(i), "0");
  for (int i = 0; i < 200; i += 2) m.Add(1, "k" + std::to_string(i), "1");
  m.merger.ReleaseAll();
  REQUIRE(m.merger.ready().size() == 1);
  const ItemList& items = m.merger.ready().front().items;
  REQUIRE(items.size() == 200);
  for (size_t i = 0; i < items.size(); ++i) {
    CHECK(items.path(i) == "k" + std::to_string(i));
    CHECK(items.json(i) == (i % 2 == 0 ? "1" : "0"));
  }
  CHECK(m.merger.overwritten() == 100);
}

TEST_CASE("the lowest position that is held back is known") {
  Merging m;
  CHECK_FALSE(m.merger.LowestWaiting().has_value());
  m.Add(9, "a", "0");
  m.Add(8, "a", "0");
  CHECK(m.merger.LowestWaiting() == 1);
}

}  // namespace
}  // namespace flarebridge::wandb
