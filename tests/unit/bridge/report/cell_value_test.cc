#include "bridge/report/cell_value.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

using namespace flarebridge;

TEST_CASE("numbers are read as JSON and Python write them") {
  CHECK(NumberIn("0") == 0.0);
  CHECK(NumberIn("-12") == -12.0);
  CHECK(NumberIn("0.1") == 0.1);
  CHECK(NumberIn("1e-07") == 1e-7);
  CHECK(NumberIn("true") == 1.0);
  CHECK(NumberIn("false") == 0.0);
  for (const char* text : {"NaN", "\"NaN\""}) CHECK(std::isnan(NumberIn(text).value_or(0)));
  for (const char* text : {"Infinity", "\"Infinity\"", "1e999"})
    CHECK(NumberIn(text) == std::numeric_limits<double>::infinity());
  for (const char* text : {"-Infinity", "\"-Infinity\"", "-1e999"})
    CHECK(NumberIn(text) == -std::numeric_limits<double>::infinity());
  CHECK(NumberIn("1e-999") == 0.0);
}

TEST_CASE("what is no number is none") {
  for (const char* text :
       {"", "-", "nan", "inf", "1x", "x1", "0x10", "1 2", "\"1\"", "null", "[1]", "tru", "Inf"})
    CHECK_FALSE(NumberIn(text).has_value());
}

TEST_CASE("a value's kind is told by its first byte") {
  for (const char* text : {"1", "-1", "NaN", "Infinity", "true", "false", "\"NaN\""})
    CHECK(KindOf(text) == CellKind::kNumber);
  for (const char* text : {"\"\"", "\"a\"", "\"1\""}) CHECK(KindOf(text) == CellKind::kText);
  for (const char* text : {"{}", "[1]"}) CHECK(KindOf(text) == CellKind::kOther);
  for (const char* text : {"", "null", "x"}) CHECK(KindOf(text) == CellKind::kNothing);
}

TEST_CASE("a step is a whole number, however it is written") {
  CHECK(StepIn("12") == 12);
  CHECK(StepIn("-3") == -3);
  CHECK(StepIn("12.0") == 12);
  CHECK(StepIn("9223372036854775807") == std::numeric_limits<int64_t>::max());
  CHECK(StepIn("1e300") == std::numeric_limits<int64_t>::max());
  CHECK_FALSE(StepIn("NaN").has_value());
  CHECK_FALSE(StepIn("\"1\"").has_value());
}

TEST_CASE("a text that is too long is cut between characters, and stays JSON") {
  CHECK(ShortenedText("\"short\"", 10) == "\"short\"");
  CHECK(ShortenedText("\"abcdefghijkl\"", 5) == "\"abcd…\"");
  CHECK(ShortenedText("\"abc\\u00e9defghijkl\"", 6) == "\"abc\\u00e9…\"");
  CHECK(ShortenedText("\"abc\\\\defghijkl\"", 5) == "\"abc\\\\…\"");
  CHECK(ShortenedText("\"abcéééééé\"", 5) == "\"abcé…\"");
  for (size_t most = 0; most < 12; ++most) {
    const std::string cut = ShortenedText("\"abcdef\\", most);  // no JSON: nothing behind its end
    CHECK(cut.size() <= 8 + 4);
  }
}
