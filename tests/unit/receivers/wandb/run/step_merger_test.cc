#include "receivers/wandb/run/step_merger.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

using std::chrono::milliseconds;

class Merging {
 public:
  explicit Merging(std::optional<int64_t> last_step = std::nullopt)
      : merger(StepMerger::Limits(),
               {last_step, last_step ? std::optional<int64_t>(0) : std::nullopt}) {}

  void Add(std::optional<int64_t> step, const std::string& key, const std::string& json) {
    ++position;
    ItemList items;
    items.Add(key, json);
    merger.Add(position, step, static_cast<double>(position), items, now);
  }
  // Lets time pass.
  void Release(int milliseconds_later) {
    now += milliseconds(milliseconds_later);
    merger.Release(now, position);
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

TEST_CASE(
    "a row waits for the window once a higher step has come, those of lower steps go with it") {
  Merging m;
  m.Add(5, "a", "1");
  m.now += milliseconds(200);
  m.Add(4, "a", "2");
  m.Add(6, "a", "3");
  m.Release(299);
  CHECK(m.Take().empty());
  CHECK(m.merger.NextDue() == m.now + milliseconds(1));
  m.Release(1);
  CHECK(m.Take() == Rows{"4:a=2", "5:a=1"});
}

TEST_CASE("the row of the highest step stays open for minutes, and no longer") {
  Merging m;
  m.Add(5, "loss", "1");
  m.now += std::chrono::seconds(100);
  m.Add(5, "f1", "2");
  m.now += std::chrono::seconds(199);
  m.Add(5, "accuracy", "3");
  m.Release(999);
  CHECK(m.Take().empty());
  CHECK(m.merger.NextDue() == m.now + milliseconds(1));
  m.Release(1);
  CHECK(m.Take() == Rows{"5:loss=1,f1=2,accuracy=3"});
  CHECK_FALSE(m.merger.NextDue().has_value());
}

TEST_CASE("a row does not wait for more positions than the journal is to keep for it") {
  Merging m;
  m.Add(5, "a", "1");
  m.merger.Release(m.now, 1 + 65536);
  CHECK(m.Take().empty());
  m.merger.Release(m.now, 2 + 65536);
  CHECK(m.Take() == Rows{"5:a=1"});
}

TEST_CASE("a record that comes after its row is written is a row of the same step") {
  Merging m;
  m.Add(5, "a", "1");
  m.merger.ReleaseAll();
  m.Add(5, "b", "2");
  m.Add(5, "c", "3");
  m.Add(6, "a", "4");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"5:a=1", "5:b=2,c=3", "6:a=4"});
  CHECK(m.merger.late() == 2);
}

TEST_CASE("a straggler takes the number of no row that is in time, before or after it") {
  Merging m(10);
  m.Add(3, "a", "1");
  m.Add(11, "a", "2");
  m.Add(20, "a", "3");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"10<3:a=1", "11:a=2", "20:a=3"});
  CHECK(m.merger.late() == 1);
  m.Add(7, "a", "4");
  m.Add(8, "a", "5");
  m.Release(300);
  m.Add(21, "a", "6");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"20<7:a=4", "20<8:a=5", "21:a=6"});
}

TEST_CASE("a straggler has a number of its own where steps leave room") {
  Merging m;
  m.Add(100, "a", "1");
  m.Add(200, "a", "2");
  m.Release(300);
  m.Add(50, "a", "3");
  m.Add(60, "a", "4");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"100:a=1", "101<50:a=3", "102<60:a=4", "200:a=2"});
}

TEST_CASE("a record without a step joins the open row, and never moves those that have one") {
  Merging m;
  for (int64_t round = 0; round < 3; ++round) {
    for (int64_t batch = 0; batch < 2; ++batch) m.Add(round * 2 + batch, "loss", "0");
    m.Add(std::nullopt, "accuracy", "1");
    m.now += milliseconds(600);
    m.Release(0);
  }
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"0:loss=0", "1:loss=0,accuracy=1", "2:loss=0", "3:loss=0,accuracy=1",
                         "4:loss=0", "5:loss=0,accuracy=1"});
  CHECK(m.merger.stepless() == 3);
  CHECK(m.merger.late() == 0);
}

TEST_CASE("a record without a step is a row beside the open one where that has its key") {
  Merging m;
  m.Add(0, "a", "1");
  m.Add(std::nullopt, "a", "2");
  m.Add(std::nullopt, "a", "3");
  m.Add(0, "b", "4");
  m.Add(1, "a", "5");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"0:a=2", "0:a=3", "0:a=1,b=4", "1:a=5"});
  CHECK(m.merger.overwritten() == 0);
}

TEST_CASE("records that never have a step get rows of their own, numbered from 0, at once") {
  Merging m;
  for (const char* value : {"1", "2", "3"}) m.Add(std::nullopt, "a", value);
  CHECK(m.Take() == Rows{"0:a=1", "1:a=2", "2:a=3"});
  CHECK_FALSE(m.merger.LowestWaiting().has_value());
}

TEST_CASE("what was numbered before the first step came moves none of those behind it") {
  Merging m;
  m.Add(std::nullopt, "size", "1");
  CHECK(m.merger.ready().front().automatic);
  for (int64_t step = 0; step < 3; ++step) m.Add(step, "loss", "0");
  m.merger.ReleaseAll();
  CHECK_FALSE(m.merger.ready().back().automatic);
  CHECK(m.Take() == Rows{"0:size=1", "0:loss=0", "1:loss=0", "2:loss=0"});
}

TEST_CASE("steps that begin anew each round are rows in the order of their arrival") {
  Merging m;
  for (int round = 0; round < 3; ++round) {
    for (int64_t batch = 0; batch < 3; ++batch) {
      m.Add(batch, "loss", std::to_string(round));
      m.now += milliseconds(100);
      m.Add(batch, "accuracy", std::to_string(round));
      m.Release(100);
    }
  }
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"0:loss=0,accuracy=0", "1:loss=0,accuracy=0", "2:loss=0,accuracy=0",
                         "3<0:loss=1,accuracy=1", "4<1:loss=1,accuracy=1", "5<2:loss=1,accuracy=1",
                         "6<0:loss=2,accuracy=2", "7<1:loss=2,accuracy=2",
                         "8<2:loss=2,accuracy=2"});
}

TEST_CASE("a step above all that was, after steps that began anew, is in time again") {
  Merging m;
  for (const int64_t step : {0, 1, 2, 0, 1, 2}) {
    m.Add(step, "a", "0");
    m.Release(300);
  }
  m.Add(std::nullopt, "b", "1");
  m.Add(100, "a", "0");
  m.merger.ReleaseAll();
  CHECK(m.Take() ==
        Rows{"0:a=0", "1:a=0", "1<0:a=0", "2:a=0", "3<1:a=0", "4<2:a=0,b=1", "100:a=0"});
}

TEST_CASE("a later life goes on as the one before: with steps, or with numbers of its own") {
  StepMerger numbered(StepMerger::Limits(), {7, std::nullopt});
  ItemList items;
  items.Add("a", "1");
  numbered.Add(1, std::nullopt, 0, items, {});
  CHECK(numbered.ready().front().step == 8);
  Merging stepped(7);
  stepped.Add(std::nullopt, "a", "1");
  stepped.Add(8, "a", "2");
  stepped.merger.ReleaseAll();
  CHECK(stepped.Take() == Rows{"7:a=1", "8:a=2"});
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
  // And one beside them.
  CHECK(m.Take().size() == 1000 - 257);
  m.merger.ReleaseAll();
  CHECK(m.Take().size() == 257);
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
  Merging m(INT64_MAX);
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
  m.Release(1999);
  CHECK(m.Take().empty());
  m.position = 50;
  m.Add(3, "a", "3");
  m.Release(1);
  CHECK(m.Take() == Rows{"3:a=3", "4:a=2"});
  CHECK(m.merger.late() == 0);
  m.now += milliseconds(10001);
  m.position = 200;
  m.Add(6, "a", "4");
  CHECK(m.merger.NextDue() == m.now + milliseconds(300));
  m.Release(300);
  CHECK(m.Take() == Rows{"5:a=1"});
}

TEST_CASE("one time in the future is one record out of order, and no more") {
  Merging m;
  for (const double time : {1.0, 4e9, 2.0, 3.0, 4.0}) {
    ItemList items;
    items.Add("a", "0");
    ++m.position;
    m.merger.Add(m.position, static_cast<int64_t>(m.position), time, items, m.now);
  }
  CHECK(m.merger.reordered() == 1);
}

TEST_CASE("a key that comes again for its step later than the window is a row of its own") {
  Merging m;
  m.Add(1, "a", "1");
  m.Release(299);
  m.Add(1, "a", "2");
  m.Release(1);
  m.Add(1, "b", "3");
  m.Add(1, "a", "4");
  m.merger.ReleaseAll();
  CHECK(m.Take() == Rows{"1:a=2,b=3", "1:a=4"});
  CHECK(m.merger.overwritten() == 1);
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
