#include "receivers/wandb/log/utf8_cut.h"

#include <doctest/doctest.h>

#include <string>

#include "events/names.h"

namespace flarebridge::wandb {
namespace {

const std::string kText = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z";  // 1, 2, 3, 4 and 1 bytes

TEST_CASE("a text cut to bytes has whole characters only, as many as there is room for") {
  const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (size_t most = 0; most < 13; ++most) {
    CHECK(FirstBytes(kText, most).size() == expected[most]);
    CHECK(IsUtf8(FirstBytes(kText, most)));
  }
}

TEST_CASE("a text cut to characters counts code points, not bytes") {
  const size_t expected[] = {0, 1, 3, 6, 10, 11, 11};
  for (size_t most = 0; most < 7; ++most)
    CHECK(FirstCharacters(kText, most).size() == expected[most]);
  CHECK(FirstCharacters(std::string(500, 'x'), 128).size() == 128);
}

TEST_CASE("what is no UTF-8 ends before its first bad byte") {
  CHECK(FirstBytes("ab\xff"
                   "cd",
                   10) == "ab");
  CHECK(FirstCharacters("ab\xff"
                        "cd",
                        10) == "ab");
}

}  // namespace
}  // namespace flarebridge::wandb
