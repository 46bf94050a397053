// What people would see on a terminal at the end, as plain text.
#include "bridge/report/console_text.h"

#include <doctest/doctest.h>

#include <string>

using namespace flarebridge;

namespace {

std::string TextOf(std::string_view console) {
  ConsoleText whole, bytes;
  whole.Take(console, 1'000'000);
  whole.End();
  for (const char c : console) bytes.Take({&c, 1}, 1'000'000);
  bytes.End();
  CHECK(whole.text() == bytes.text());
  return whole.text();
}

}  // namespace

TEST_CASE("escapes and control characters vanish, wherever a piece ends; texts stay") {
  CHECK(TextOf("\x1b[1;31mred\x1b[0m é\tx\n") == "red é\tx\n");
  CHECK(TextOf("\x1b]0;a title\x07one\n\x1b]8;;http://x\x1b\\two\x1b]8;;\x1b\\\n") == "one\ntwo\n");
  CHECK(TextOf("\x1b(Ba\x1b=b\x1b"
               "7c\n") == "abc\n");
  CHECK(TextOf(std::string("a\0\x01\x7f"
                           "b\n",
                           6)) == "ab\n");
}

TEST_CASE("an escape that has no end ends with its line") {
  CHECK(TextOf("\x1b]0;never\nnext\n") == "\nnext\n");
  CHECK(TextOf("\x1b[12\nnext") == "\nnext\n");
  CHECK(TextOf("\x1b") == "");
}

TEST_CASE("of a line that was written over its last state stays") {
  CHECK(TextOf("10%\r 20%\r100%\n") == "100%\n");
  CHECK(TextOf("one\r\ntwo\r\n") == "one\ntwo\n");
  CHECK(TextOf("abc\b\bx\n") == "ax\n");
}

TEST_CASE("the last lines are kept, whole, and all are counted") {
  ConsoleText console;
  for (int i = 0; i < 10'000; ++i) {
    console.Take("line " + std::to_string(i) + "\n", 1'000);
    CHECK(console.text().size() <= 2'000);
  }
  console.End();
  console.Fit(1'000);
  CHECK(console.lines() == 10'000);
  CHECK(console.text().size() <= 1'000);
  CHECK(console.text().size() > 980);
  CHECK(console.text().starts_with("line 9"));
  CHECK(console.text().ends_with("line 9999\n"));
  console.Fit(5);
  CHECK(console.text().empty());
}

TEST_CASE(
    "a line is cut where it is longer than any screen, and memory is bounded without a line") {
  ConsoleText console;
  for (int i = 0; i < 1'000; ++i) console.Take(std::string(1'000, 'x'), 100'000);
  console.Take("\nnext\n", 100'000);
  CHECK(console.text() == std::string(ConsoleText::kMostLineBytes, 'x') + "…\nnext\n");
}
