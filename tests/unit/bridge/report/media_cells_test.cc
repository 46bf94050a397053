// Values with a type of their own, found in rows of either form.
#include "bridge/report/media_cells.h"

#include <doctest/doctest.h>

#include <string>

using namespace flarebridge;

TEST_CASE("an image is found as one object, and as a cell for each member") {
  const Row row = {{"loss", "1"},
                   {"a.b.path", "\"x.png\""},
                   {"a.b._type", "\"image-file\""},
                   {"a.b.boxes.one", "1"},
                   {"a.c", "2"},
                   {"d", R"({"_type":"image-file","path":"y.png"})"}};
  MediaCells cells;
  cells.Take(row);
  REQUIRE(cells.values().size() == 2);
  CHECK(cells.values()[0].key == "a.b");
  CHECK(cells.values()[0].type == "image-file");
  CHECK(cells.values()[0].Find("path") == "\"x.png\"");
  CHECK(cells.values()[0].Find("boxes.one") == "1");
  CHECK(cells.values()[0].Find("none").empty());
  CHECK(cells.values()[1].key == "d");
  CHECK(cells.values()[1].Find("path") == "\"y.png\"");
  for (const size_t cell : {1U, 2U, 3U, 5U}) CHECK(cells.Holds(cell));
  for (const size_t cell : {0U, 4U}) CHECK_FALSE(cells.Holds(cell));
}

TEST_CASE("an object of somebody's own type keeps its values, and a row without media has none") {
  MediaCells cells;
  cells.Take({{"a._type", "\"image-file\""}});
  CHECK(cells.values().size() == 1);
  const Row row = {
      {"a._type", "\"mine\""}, {"a.loss", "1"}, {"b", R"({"_type":1})"}, {"c", "{\"_type"}};
  cells.Take(row);
  CHECK(cells.values().empty());
  CHECK_FALSE(cells.Holds(1));
}
