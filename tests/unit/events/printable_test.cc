#include "events/printable.h"

#include <doctest/doctest.h>

#include <string>

#include "events/names.h"

namespace flarebridge {
namespace {

TEST_CASE("text that a person can read stays as it is") {
  for (const char* text : {"", "accuracy 0.5", "Z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x98\x80"})
    CHECK(Printable(text) == text);
}

TEST_CASE("a terminal is told nothing to obey, and no line is begun") {
  CHECK(Printable("a\x1b[31mb") == "a?[31mb");
  CHECK(Printable("a\nb\tc\rd") == "a b c d");
  CHECK(Printable("a\xe2\x80\xa8"
                  "b") == "a b");  // U+2028
  CHECK(Printable("a\x7f"
                  "b\xc2\x9b"
                  "31m") == "a?b?31m");  // delete, and the one-byte escape
  CHECK(Printable("a\xe2\x80\xae"
                  "b") == "a?b");  // writes backwards
  CHECK(Printable(std::string("a\0b", 3)) == "a?b");
}

TEST_CASE("bytes that are no UTF-8 become marks, whatever they are") {
  CHECK(Printable("a\xff"
                  "b") == "a?b");
  CHECK(Printable("a\xe2\x82") == "a?");  // half a character
  CHECK(Printable("\xc0\xaf"
                  "b")
            .ends_with("b"));  // an overlong form
  CHECK(Printable("\xed\xa0\x80").find('\xed') == std::string::npos);
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second)};
      const std::string safe = Printable(text);
      CHECK(IsUtf8(safe));
      CHECK(safe.find_first_of("\x1b\n\r\x7f") == std::string::npos);
      CHECK(safe.find("\xc2\x9b") == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace flarebridge
