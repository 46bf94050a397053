#include "bridge/intake/unwritten.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

TEST_CASE("what is stored counts as unwritten until its run has it on disk") {
  Unwritten unwritten;
  unwritten.Stored(1, 10, 10);
  unwritten.Stored(2, 15, 5);
  unwritten.Stored(1, 20, 5);
  CHECK(unwritten.Of({1, 2}) == 20);
  CHECK(unwritten.Of({1}) == 15);
  unwritten.Durable(1, 10);
  CHECK(unwritten.Of({1, 2}) == 10);
  unwritten.Durable(2, 15);
  CHECK(unwritten.Of({1, 2}) == 5);
  unwritten.Durable(1, 20);
  CHECK(unwritten.Of({1, 2}) == 0);
}

TEST_CASE("a run that nothing is known of has nothing unwritten") {
  Unwritten unwritten;
  unwritten.Durable(7, 100);
  CHECK(unwritten.Of({7}) == 0);
  CHECK(unwritten.Of({}) == 0);
}

TEST_CASE("a dropped run is forgotten") {
  Unwritten unwritten;
  unwritten.Stored(1, 10, 10);
  unwritten.Drop(1);
  CHECK(unwritten.Of({1}) == 0);
}

TEST_CASE(
    "a run that is far behind is counted whole, and nothing of it is called written too early") {
  Unwritten unwritten;
  for (uint64_t position = 1; position <= 100000; ++position) unwritten.Stored(1, position, 1);
  CHECK(unwritten.Of({1}) == 100000);
  unwritten.Durable(1, 255);
  CHECK(unwritten.Of({1}) == 100000 - 255);
  unwritten.Durable(1, 99999);
  CHECK(unwritten.Of({1}) == 100000 - 255);
  unwritten.Durable(1, 100000);
  CHECK(unwritten.Of({1}) == 0);
}

}  // namespace
}  // namespace flarebridge
