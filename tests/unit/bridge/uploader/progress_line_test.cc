#include "bridge/uploader/progress_line.h"

#include <doctest/doctest.h>

#include "bridge/commands/amounts.h"

namespace flarebridge {
namespace {

ProgressNumbers Some() {
  ProgressNumbers numbers;
  numbers.done_runs = 2;
  numbers.active_runs = 3;
  numbers.runs = 6;
  numbers.rows = 60000;
  numbers.all_rows = 180000;
  numbers.bytes = 12000000;
  numbers.all_bytes = 36000000;
  numbers.rows_per_second = 20000;
  numbers.bytes_per_second = 4000000;
  return numbers;
}

TEST_CASE("a line says what is confirmed of what there is, how fast, and for how long yet") {
  CHECK(
      ProgressLine(Some(), 200) ==
      "[######..............] 2 of 6 runs, 60,000 of 180,000 rows, 12 MB of 36 MB, 20,000 rows/s, "
      "6 s left");
}

TEST_CASE("what matters less is left out of a narrow line, and none is longer than its width") {
  CHECK(ProgressLine(Some(), 80) ==
        "[######..............] 2 of 6 runs, 60,000 of 180,000 rows, 6 s left");
  CHECK(ProgressLine(Some(), 40) == "2 of 6 runs, 60,000 of 180,000 rows");
  for (size_t width = 0; width < 120; ++width) CHECK(ProgressLine(Some(), width).size() <= width);
}

TEST_CASE("nothing confirmed is an empty bar, and a wait has no speed") {
  ProgressNumbers numbers = Some();
  numbers.done_runs = 0;
  numbers.rows = numbers.bytes = 0;
  numbers.waiting_runs = 3;
  CHECK(ProgressLine(numbers, 80) ==
        "[....................] 0 of 6 runs, 0 of 180,000 rows, 0 B of 36 MB, 3 wait");
}

TEST_CASE("behind the last row the speed is that of content") {
  ProgressNumbers numbers = Some();
  numbers.rows = *numbers.all_rows;
  numbers.rows_per_second = 0;
  CHECK(ProgressLine(numbers, 200) ==
        "[######..............] 2 of 6 runs, 180,000 of 180,000 rows, 12 MB of 36 MB, 4.0 MB/s, "
        "6 s left");
}

TEST_CASE("the bar is full when every run is done, not when the last row is there") {
  ProgressNumbers numbers = Some();
  numbers.bytes = numbers.all_bytes;
  CHECK(ProgressLine(numbers, 80).starts_with("[###################.] 2 of 6 runs"));
  numbers.done_runs = 6;
  CHECK(ProgressLine(numbers, 80).starts_with("[####################] 6 of 6 runs"));
}

TEST_CASE("runs that come as they are found have no end in sight") {
  ProgressNumbers numbers = Some();
  numbers.runs.reset();
  numbers.all_rows.reset();
  numbers.all_bytes = 0;
  CHECK(ProgressLine(numbers, 100) ==
        "watching: 3 runs under way, 2 done, 60,000 rows, 20,000 rows/s");
}

TEST_CASE("amounts are as people read them") {
  CHECK(Counted(1, "row") == "1 row");
  CHECK(Counted(1234567, "row") == "1,234,567 rows");
  CHECK(Grouped(999) == "999");
  CHECK(BytesInWords(999) == "999 B");
  CHECK(BytesInWords(12345) == "12 kB");
  CHECK(BytesInWords(1.25e6) == "1.2 MB");
  CHECK(BytesInWords(3e9) == "3.0 GB");
  CHECK(SecondsInWords(9.4) == "9 s");
  CHECK(SecondsInWords(600) == "10 min");
  CHECK(SecondsInWords(7200) == "2 h");
  CHECK(SecondsInWords(7 * 86400) == "7 days");
}

}  // namespace
}  // namespace flarebridge
