// Curves as dots within the cells of a terminal: a cell has 2 dots across and 4 down, as a
// character of Braille. Each cell knows of whom its dots are, so that it can have a colour, or be a
// letter where there are no colours. Used by charts. Pure; one thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace flarebridge {

// What a terminal can show.
struct Looks {
  bool utf8 = false;     // else ASCII
  bool colours = false;  // escape sequences of ANSI
};

// Whether curves are told apart by letters in place of dots.
bool HasLetters(const Looks& looks, size_t curves);
// How one of so many curves is told apart: a cell of it, in its colour if there are colours.
// Colours come again after 12 curves, letters after 52.
std::string MarkOf(const Looks& looks, size_t curve, size_t curves);

// Places of dots, from the lower left.
struct Dot {
  int64_t x = 0, y = 0;
};

class Canvas {
 public:
  static constexpr size_t kAcross = 2, kDown = 4;  // dots of a cell

  Canvas(size_t columns, size_t rows, size_t curves);

  size_t width() const { return columns_ * kAcross; }  // in dots
  size_t height() const { return rows_ * kDown; }

  // A dot that lies outside is left out.
  void Put(size_t curve, Dot dot);
  // A straight line, both ends included.
  void Line(size_t curve, Dot from, Dot to);

  // From the top, one text for each row, without blanks at its end.
  std::vector<std::string> Lines(const Looks& looks) const;

 private:
  // Of a cell: all its dots (a bit each, as in U+2800 to U+28FF), and the curve that has most of
  // them. Those that have as many take turns from column to column, so that a curve on top of
  // another one hides none.
  struct Cell {
    uint8_t dots = 0;
    size_t curve = 0;
  };
  Cell At(size_t column, size_t row) const;
  std::string Line(size_t row, const Looks& looks) const;

  size_t columns_, rows_, curves_;
  std::vector<uint8_t> dots_;  // by curve, row from the top, and column
};

}  // namespace flarebridge
