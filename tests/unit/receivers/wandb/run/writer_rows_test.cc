#include "receivers/wandb/run/writer_rows.h"

#include <doctest/doctest.h>

#include "receivers/wandb/run/step_merger.h"

namespace flarebridge::wandb {
namespace {

using std::chrono::milliseconds;
using Rows = std::vector<std::string>;

// Of two writers, by the merger that numbers their rows.
class Writing {
 public:
  void Add(std::string_view writer, std::optional<int64_t> step, const std::string& key) {
    ItemList items;
    items.Add(key, "1");
    ++position;
    if (writer.empty()) {
      merger.Add(position, step, 1.0, items, now);
    } else {
      merger.AddOf(writer, position, step, 1.0, items, now);
    }
  }
  void Release(int later) {
    now += milliseconds(later);
    merger.Release(now, position);
  }
  // "step:writer<own step:key,key".
  Rows Take() {
    Rows rows;
    for (const StepMerger::Row& row : merger.ready()) {
      std::string text = std::to_string(row.step) + ":" + row.writer;
      if (row.own_step) text += "<" + std::to_string(*row.own_step);
      for (size_t i = 0; i < row.items.size(); ++i) {
        text += i == 0 ? ":" : ",";
        text += row.items.path(i);
      }
      rows.push_back(text);
    }
    merger.ClearReady();
    return rows;
  }

  StepMerger merger{StepMerger::Limits(), {std::nullopt, std::nullopt}};
  StepMerger::Time now{};
  uint64_t position = 0;
};

TEST_CASE("records of one writer and step are a row, whatever others log at that step") {
  Writing w;
  w.Add("a", 0, "x");
  w.Add("b", 0, "x");
  w.Add("a", 0, "y");
  w.Add("b", 1, "x");
  w.Add("a", 7, "x");
  CHECK(w.Take() == Rows{"0:b<0:x", "1:a<0:x,y"});
  w.merger.ReleaseAll();
  CHECK(w.Take() == Rows{"2:b<1:x", "3:a<7:x"});
  CHECK(w.merger.overwritten() == 0);
}

TEST_CASE("a writer's lower step is a row, and a key that comes again later is another one") {
  Writing w;
  w.Add("a", 5, "x");
  w.Add("a", 3, "x");
  CHECK(w.Take() == Rows{"0:a<5:x"});
  w.Add("a", 3, "x");
  CHECK(w.merger.overwritten() == 1);
  w.Release(300);
  w.Add("a", 3, "y");
  CHECK(w.Take().empty());
  w.Add("a", 3, "x");
  CHECK(w.Take() == Rows{"1:a<3:x,y"});
}

TEST_CASE("a record without a step joins its writer's open row if it can") {
  Writing w;
  w.Add("a", 2, "x");
  w.Add("a", std::nullopt, "y");
  w.Add("b", std::nullopt, "x");
  w.Add("a", std::nullopt, "x");
  CHECK(w.Take() == Rows{"0:a<2:x,y"});
  w.merger.ReleaseAll();
  CHECK(w.Take() == Rows{"1:b:x", "2:a:x"});
}

TEST_CASE("a writer that says nothing more does not hold its row back for ever") {
  Writing w;
  w.Add("a", 0, "x");
  CHECK(w.merger.LowestWaiting() == 1);
  REQUIRE(w.merger.NextDue().has_value());
  CHECK(*w.merger.NextDue() == w.now + StepMerger::Limits().open_window);
  w.Release(299'999);
  CHECK(w.Take().empty());
  w.Release(1);
  CHECK(w.Take() == Rows{"0:a<0:x"});
  CHECK_FALSE(w.merger.LowestWaiting().has_value());
  CHECK_FALSE(w.merger.NextDue().has_value());
}

TEST_CASE("rows of writers and rows of nobody share one count, which never falls") {
  Writing w;
  w.Add("", 4, "x");
  w.Add("a", 0, "x");
  CHECK(w.Take() == Rows{"4::x"});
  w.Add("a", 1, "x");
  w.Add("", 2, "x");
  w.merger.ReleaseAll();
  CHECK(w.Take() == Rows{"5:a<0:x", "5:<2:x", "6:a<1:x"});
}

TEST_CASE("more writers than there is room for complete the oldest row") {
  Writing w;
  for (size_t i = 0; i <= StepMerger::Limits().rows; ++i)
    w.Add("writer" + std::to_string(i), 0, "x");
  CHECK(w.Take() == Rows{"0:writer0<0:x"});
  CHECK(w.merger.LowestWaiting() == 2);
}

TEST_CASE("open rows that are large together do not wait") {
  Writing w;
  const std::string large(StepMerger::Limits().bytes, 'k');
  w.Add("a", 0, "x");
  w.Add("b", 0, large);
  const Rows rows = w.Take();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0] == "0:a<0:x");
  CHECK_FALSE(w.merger.LowestWaiting().has_value());
}

}  // namespace
}  // namespace flarebridge::wandb
