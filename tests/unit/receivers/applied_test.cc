// Laws of the marks that tell which events an append-only file holds.
#include "receivers/applied.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

using Positions = std::vector<uint64_t>;

constexpr uint64_t kJournal = 7;

AppliedMark MarkOf(const Positions& positions, uint64_t later) {
  AppliedMark mark;
  MarkRecord(kJournal, positions, later, mark);
  return mark;
}

TEST_CASE("a record with nothing left to be written behind it raises the floor to its own event") {
  const AppliedMark mark = MarkOf({9}, 10);
  CHECK(mark.journal == kJournal);
  CHECK(mark.floor == 9);
  CHECK(mark.positions.empty());
}

TEST_CASE("a mark keeps its floor below what is written later, and lists its own above it") {
  const AppliedMark mark = MarkOf({3, 6, 9}, 5);
  CHECK(mark.floor == 4);
  CHECK(mark.positions == Positions{6, 9});
}

TEST_CASE("a mark that is used again holds nothing of before") {
  AppliedMark mark = MarkOf({3, 6, 9}, 2);
  MarkRecord(kJournal, Positions{1}, 2, mark);
  CHECK(mark.floor == 1);
  CHECK(mark.positions.empty());
}

TEST_CASE("a file without marks holds nothing") {
  const AppliedEvents applied(kJournal);
  CHECK_FALSE(applied.knows_journal());
  CHECK(applied.floor() == 0);
  CHECK_FALSE(applied.Contains(1));
}

TEST_CASE("held is what lies up to the highest floor, and what any mark lists above it") {
  AppliedEvents applied(kJournal);
  applied.Take({kJournal, 4, {6, 9}});
  applied.Take({kJournal, 2, {7}});
  for (const uint64_t position : Positions{1, 4, 6, 7, 9}) CHECK(applied.Contains(position));
  for (const uint64_t position : Positions{5, 8, 10}) CHECK_FALSE(applied.Contains(position));
  CHECK(applied.floor() == 4);
}

TEST_CASE("a floor that rises takes in what was listed below it") {
  AppliedEvents applied(kJournal);
  applied.Take({kJournal, 1, {3, 5}});
  applied.Take({kJournal, 4, {}});
  CHECK(applied.floor() == 4);
  for (const uint64_t position : Positions{2, 3, 4, 5}) CHECK(applied.Contains(position));
  CHECK_FALSE(applied.Contains(6));
}

TEST_CASE("marks of another journal say nothing of this one; an empty one of this one is known") {
  AppliedEvents applied(kJournal);
  applied.Take({kJournal + 1, 100, {200}});
  CHECK_FALSE(applied.knows_journal());
  CHECK_FALSE(applied.Contains(1));
  applied.Take({kJournal, 0, {}});
  CHECK(applied.knows_journal());
  CHECK_FALSE(applied.Contains(1));
}

}  // namespace
}  // namespace flarebridge
