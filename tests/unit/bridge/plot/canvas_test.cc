#include "bridge/plot/canvas.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace flarebridge;

namespace {

using Lines = std::vector<std::string>;

constexpr Looks kBraille{true, false}, kAscii{false, false}, kColours{true, true};

}  // namespace

TEST_CASE("each dot of a cell is its own bit of Braille") {
  // From the lower left: the eight patterns of one dot (Unicode 1.1, U+2800 to U+28FF).
  const std::vector<std::vector<std::string>> dots = {{"⡀", "⠄", "⠂", "⠁"}, {"⢀", "⠠", "⠐", "⠈"}};
  for (int64_t x = 0; x < 2; ++x) {
    for (int64_t y = 0; y < 4; ++y) {
      Canvas canvas(1, 1, 1);
      canvas.Put(0, {x, y});
      CHECK(canvas.Lines(kBraille) == Lines{dots[static_cast<size_t>(x)][static_cast<size_t>(y)]});
    }
  }
  Canvas full(1, 1, 1);
  for (int64_t x = 0; x < 2; ++x) full.Line(0, {x, 0}, {x, 3});
  CHECK(full.Lines(kBraille) == Lines{"⣿"});
}

TEST_CASE("lines go from dot to dot, in each direction alike") {
  const auto drawn = [](Dot from, Dot to) {
    Canvas canvas(4, 2, 1);
    canvas.Line(0, from, to);
    return canvas.Lines(kBraille);
  };
  CHECK(drawn({0, 0}, {7, 7}) == Lines{"  ⡠⠊", "⡠⠊"});
  CHECK(drawn({7, 7}, {0, 0}) == Lines{"  ⡠⠊", "⡠⠊"});
  CHECK(drawn({0, 7}, {7, 0}) == Lines{"⠑⢄", "  ⠑⢄"});
  CHECK(drawn({0, 4}, {7, 4}) == Lines{"⣀⣀⣀⣀", ""});
  CHECK(drawn({2, 0}, {2, 7}) == Lines{" ⡇", " ⡇"});
  CHECK(drawn({3, 1}, {3, 1}) == Lines{"", " ⠠"});
}

TEST_CASE("what lies outside is left out") {
  Canvas canvas(2, 1, 1);
  canvas.Put(0, {-1, 0});
  canvas.Put(0, {0, 4});
  canvas.Put(0, {4, 0});
  CHECK(canvas.Lines(kBraille) == Lines{""});
  canvas.Line(0, {-5, 1}, {9, 1});
  CHECK(canvas.Lines(kBraille) == Lines{"⠤⠤"});
}

TEST_CASE("a cell is of the curve that has most of its dots, and of equal ones by turns") {
  Canvas canvas(4, 1, 2);
  canvas.Line(0, {0, 0}, {7, 0});
  canvas.Line(1, {0, 0}, {7, 0});
  CHECK(canvas.Lines(kAscii) == Lines{"abab"});
  CHECK(canvas.Lines(kBraille) == Lines{"abab"});
  CHECK(canvas.Lines(kColours) == Lines{"\033[36m⣀\033[35m⣀\033[36m⣀\033[35m⣀\033[0m"});
  canvas.Line(1, {0, 3}, {3, 3});
  CHECK(canvas.Lines(kAscii) == Lines{"bbab"});
  CHECK(canvas.Lines(kColours) == Lines{"\033[35m⣉⣉\033[36m⣀\033[35m⣀\033[0m"});
}

TEST_CASE(
    "one curve is dots, or stars where there is no Braille; several have letters or colours") {
  Canvas canvas(2, 1, 1);
  canvas.Put(0, {2, 0});
  CHECK(canvas.Lines(kAscii) == Lines{" *"});
  CHECK(canvas.Lines({false, true}) == Lines{" \033[36m*\033[0m"});
  CHECK(MarkOf(kAscii, 0, 1) == "*");
  CHECK(MarkOf(kBraille, 0, 1) == "⠶");
  CHECK(MarkOf(kBraille, 27, 60) == "B");
  CHECK(MarkOf(kColours, 13, 60) == "\033[35m⠶\033[0m");
  CHECK_FALSE(HasLetters(kColours, 1000));
  CHECK(HasLetters({false, true}, 2));
}
