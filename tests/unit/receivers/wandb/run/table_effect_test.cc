// Laws of tables: a file of the run and an artifact beside it, named by the row; what is no table
// leaves nothing behind. That they are those of W&B's client is told by
// tests/integration/test_wandb_tables.py.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "receivers/files/durable_file.h"
#include "receivers/wandb/artifacts/md5.h"
#include "tests/unit/receivers/wandb/run/one_run.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using testing::Binary;
using testing::Integer;
using testing::List;
using testing::MadeRun;
using testing::Map;
using testing::Number;
using testing::Text;
using Pairs = std::vector<std::pair<std::string, std::string>>;

const std::string kNumbers = List({Text("union"), List({Text("none")}), List({Text("number")})});

// Of one column, of numbers.
std::string TableOf(const std::vector<std::string>& cells, Pairs more = {}) {
  std::string rows;
  for (const std::string& cell : cells) rows += List({cell});
  Pairs pairs = {{"_type", Text("table-file")},   {"columns", List({Text("a")})},
                 {"types", List({kNumbers})},     {"nrows", Integer(cells.size())},
                 {"log_mode", Text("IMMUTABLE")}, {"data", Binary(rows)}};
  for (auto& [key, value] : more) {
    std::erase_if(pairs, [&](const auto& pair) { return pair.first == key; });
    pairs.emplace_back(key, value);
  }
  return Map(pairs);
}

std::map<std::string, std::string> FilesBelow(const fs::path& folder) {
  std::map<std::string, std::string> found;
  if (!fs::exists(folder)) return found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      found[fs::relative(entry.path(), folder)] = ReadWhole(entry.path(), size_t{1} << 22).value();
  }
  return found;
}

// The rows, each by key.
std::vector<std::map<std::string, std::string>> RowsOf(MadeRun& run) {
  run.Drain();
  std::vector<std::map<std::string, std::string>> rows;
  REQUIRE(ReadLog(run.LogPath(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
            rows.emplace_back();
            for (const auto& item : items) rows.back()[item.key] = std::string(item.json);
          }).has_value());
  return rows;
}

}  // namespace

TEST_CASE("a table is a file of the run, an artifact, and values of a row that name both") {
  MadeRun run;
  run.Give(DataType::kMedia, "t", TableOf({Integer(1), Number(NAN), Number(INFINITY)}), 3);
  const fs::path folder = run.LogPath().parent_path();
  const auto row = RowsOf(run).front();
  CHECK(row.at("t._type") == R"("table-file")");
  CHECK(row.at("t.ncols") == "1");
  CHECK(row.at("t.nrows") == "3");
  CHECK(row.at("t.log_mode") == R"("IMMUTABLE")");
  const auto files = FilesBelow(folder / "files/media/table");
  REQUIRE(files.size() == 1);
  CHECK(row.at("t.path") == "\"media/table/" + files.begin()->first + "\"");
  CHECK(files.begin()->second == R"({"columns":["a"],"data":[[1],[NaN],[Infinity]]})");
  const auto contents = FilesBelow(folder / "artifacts");
  REQUIRE(contents.size() == 1);
  const auto& [name, content] = *contents.begin();
  CHECK(name == HexOf(Md5Of(content)));
  CHECK(content.find(
            R"("data":[[1],[null],[Infinity]],"log_mode":"IMMUTABLE","ncols":1,"nrows":3})") !=
        std::string::npos);
  CHECK(row.at("t.artifact_path").starts_with("\"wandb-client-artifact://"));
  CHECK(row.at("t.artifact_path").ends_with("/t.table.json\""));
  CHECK(row.at("t._latest_artifact_path").ends_with(":latest/t.table.json\""));
}

TEST_CASE("the same table is the same version, another one is another") {
  MadeRun run;
  run.Give(DataType::kMedia, "t", TableOf({Integer(1)}), 1);
  run.Give(DataType::kMedia, "t", TableOf({Integer(1)}), 2);
  run.Give(DataType::kMedia, "t", TableOf({Integer(2)}), 3);
  run.Give(DataType::kMedia, "u", TableOf({Integer(1)}), 4);
  const auto rows = RowsOf(run);
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].at("t.artifact_path") == rows[1].at("t.artifact_path"));
  CHECK(rows[0].at("t.artifact_path") != rows[2].at("t.artifact_path"));
  CHECK(rows[0].at("t.artifact_path") != rows[3].at("u.artifact_path"));
  CHECK(FilesBelow(run.LogPath().parent_path() / "artifacts").size() == 2);  // by content
}

TEST_CASE("given again after a crash, a table is in one row, and the same version") {
  MadeRun once, again;
  for (int64_t step = 0; step < 4; ++step) {
    const std::string table = TableOf({Integer(static_cast<uint64_t>(step))});
    once.Give(DataType::kMedia, "t", table, step);
    again.Give(DataType::kMedia, "t", table, step);
    if (step == 1) again.Reopen();
  }
  CHECK(RowsOf(again).size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    CHECK(RowsOf(again)[i].at("t.artifact_path") == RowsOf(once)[i].at("t.artifact_path"));
  }
}

TEST_CASE(
    "a medium in a cell is a file of the artifact, and stands in the run's file by its name") {
  MadeRun run;
  const std::string page =
      Map({{"_type", Text("html-file")}, {"ext", Text(".html")}, {"data", Binary("<p>")}});
  const std::string cell = Map({{"_cell", Text("media")}, {"name", Text("Html")}, {"data", page}});
  run.Give(DataType::kMedia, "t", TableOf({cell, cell}), 1);
  run.Drain();
  const fs::path folder = run.LogPath().parent_path();
  CHECK(FilesBelow(folder / "files/media/table").begin()->second ==
        R"({"columns":["a"],"data":[["Html"],["Html"]]})");
  const auto contents = FilesBelow(folder / "artifacts");
  CHECK(contents.size() == 2);
  CHECK(contents.count(HexOf(Md5Of("<p>"))) == 1);
}

TEST_CASE("a table whose rows lie beside their event is what it is with them in it") {
  const std::string rows = List({Integer(1)}) + List({Number(0.5)});
  const std::string id(32, '1');
  MadeRun within, beside;
  within.Give(DataType::kMedia, "t", TableOf({}, {{"data", Binary(rows)}}), 1);
  REQUIRE(WriteDurably(beside.Blobs() / id, rows).has_value());
  const std::string reference = Map({{"blob", Text(id)}, {"size", Integer(rows.size())}});
  beside.Give(DataType::kMedia, "t", TableOf({}, {{"data", reference}}), 1);
  auto one = RowsOf(within).at(0), other = RowsOf(beside).at(0);
  for (const char* key : {"t.path", "t.sha256", "t.size", "t.nrows", "t.artifact_path"})
    CHECK(one.at(key) == other.at(key));
  CHECK(FilesBelow(within.LogPath().parent_path() / "artifacts") ==
        FilesBelow(beside.LogPath().parent_path() / "artifacts"));
  MadeRun gone;
  gone.Give(DataType::kMedia, "t", TableOf({}, {{"data", reference}}), 1);
  CHECK(RowsOf(gone).empty());
}

TEST_CASE("a table in the summary is an object that names its files") {
  MadeRun run;
  run.Operate("best", "summary", {{"value", TableOf({Integer(1)})}});
  run.Operate("none", "summary", {{"value", TableOf({}, {{"types", List({})}})}});
  const std::string value = run.SummaryOf("best");
  CHECK(value.starts_with(R"({"_type":"table-file","ncols":1,"nrows":1,)"));
  CHECK(value.find(R"("path":"media/table/best_summary_)") != std::string::npos);
  CHECK(run.SummaryOf("none") == "null");
  CHECK(FilesBelow(run.LogPath().parent_path() / "artifacts").size() == 1);
}

TEST_CASE("what is no table leaves nothing behind") {
  MadeRun run;
  const std::vector<std::string> none = {
      TableOf({}, {{"data", Text("rows")}}),
      TableOf({}, {{"data", Binary("\xc1")}}),
      TableOf({}, {{"data", Binary("\x01")}}),
      TableOf({}, {{"data", Binary("\x92\x01")}}),
      TableOf({}, {{"columns", Text("a")}}),
      TableOf({}, {{"columns", List({Number(0.5)})}}),
      TableOf({}, {{"types", List({})}}),
      TableOf({}, {{"types", List({Text("number")})}}),
      TableOf({}, {{"types", List({List({Integer(1)})})}}),
      TableOf({}, {{"types", List({List({Text("list")})})}}),
      TableOf({}, {{"in", Text("a")}}),
      TableOf({Map({{"_cell", Text("unknown")}})}),
      TableOf({Map({{"_cell", Integer(1)}})}),
      TableOf({Map({{"_cell", Text("bytes")}, {"data", Text("x")}})}),
      TableOf({Map({{"_cell", Text("media")}, {"data", Text("x")}})}),
      Map({{"_type", Text("list")}, {"items", List({TableOf({Integer(1)})})}}),
  };
  for (const std::string& value : none) run.Give(DataType::kMedia, "t", value, 1);
  run.Log("loss", Number(1), 2);
  const auto rows = RowsOf(run);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].count("loss") == 1);
  CHECK(FilesBelow(run.LogPath().parent_path() / "artifacts").empty());
  CHECK(FilesBelow(run.LogPath().parent_path() / "files").empty());
}

TEST_CASE("a table of any name stays below the run's folder") {
  MadeRun run;
  for (const char* name : {"../../up", "/etc/t", "", "a/../b", "media/images/x"})
    run.Give(DataType::kMedia, name, TableOf({Integer(1)}), 1);
  run.Drain();
  for (const auto& [path, content] : FilesBelow(run.LogPath().parent_path() / "files"))
    CHECK(path.starts_with("media/table/"));
  CHECK(FilesBelow(run.folder()).size() >= 3);
}

}  // namespace flarebridge::wandb
