#include "events/value_size.h"

#include <doctest/doctest.h>

#include <random>

#include "events/value.h"
#include "tests/unit/events/vectors.h"

namespace flarebridge {
namespace {

using flarebridge::testing::FromHex;

TEST_CASE("every form of msgpack has its size") {
  const std::pair<const char*, size_t> forms[] = {{"00", 1},
                                                  {"7f", 1},
                                                  {"ff", 1},
                                                  {"c0", 1},
                                                  {"c2", 1},
                                                  {"c3", 1},
                                                  {"80", 1},
                                                  {"81a16101", 4},
                                                  {"90", 1},
                                                  {"9101", 2},
                                                  {"a0", 1},
                                                  {"a161", 2},
                                                  {"c40161", 3},
                                                  {"c5000161", 4},
                                                  {"c60000000161", 6},
                                                  {"c7010561", 4},
                                                  {"c800010561", 5},
                                                  {"c9000000010561", 7},
                                                  {"ca00000000", 5},
                                                  {"cb0000000000000000", 9},
                                                  {"cc00", 2},
                                                  {"cd0000", 3},
                                                  {"ce00000000", 5},
                                                  {"cf0000000000000000", 9},
                                                  {"d000", 2},
                                                  {"d10000", 3},
                                                  {"d200000000", 5},
                                                  {"d30000000000000000", 9},
                                                  {"d40561", 3},
                                                  {"d5056162", 4},
                                                  {"d60561626364", 6},
                                                  {"d7056162636465666768", 10},
                                                  {"d80561626364656667686162636465666768", 18},
                                                  {"d90161", 3},
                                                  {"da000161", 4},
                                                  {"db0000000161", 6},
                                                  {"dc000101", 4},
                                                  {"dd0000000101", 6},
                                                  {"de0001a16101", 6},
                                                  {"df00000001a16101", 8}};
  for (const auto& [hex, size] : forms) {
    CAPTURE(hex);
    const std::string bytes = FromHex(hex);
    REQUIRE(bytes.size() == size);
    CHECK(SizeOfValue(bytes + "\xc1") == size);
    CHECK(SizeOfValue(bytes.substr(0, size - 1)) == 0);
  }
  CHECK(SizeOfValue("\xc1") == 0);
  CHECK(SizeOfValue("") == 0);
}

TEST_CASE("what the decoder takes has the size that the decoder says") {
  std::mt19937 random(20261125);  // fixed, so that a failure repeats
  std::uniform_int_distribution<int> byte(0, 255);
  Tape tape;
  size_t taken = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string bytes;
    for (int i = 0; i < 12; ++i) bytes.push_back(static_cast<char>(byte(random)));
    const Expected<size_t> decoded = DecodeValue(bytes, tape);
    if (!decoded) continue;
    ++taken;
    REQUIRE(SizeOfValue(bytes) == *decoded);
  }
  CHECK(taken > 10000);
}

TEST_CASE("a million levels and claims of billions of items need no memory and have an end") {
  CHECK(SizeOfValue(std::string(1000000, '\x91') + '\xc0') == 1000001);
  CHECK(SizeOfValue(std::string(1000000, '\x91')) == 0);
  std::string claims;
  for (int i = 0; i < 100000; ++i) claims += std::string("\xdf\xff\xff\xff\xff", 5);
  CHECK(SizeOfValue(claims) == 0);
}

}  // namespace
}  // namespace flarebridge
