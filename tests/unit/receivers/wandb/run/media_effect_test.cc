// Laws of media: files of the run and the objects that name them, as W&B's SDK writes both; what is
// no such thing leaves nothing behind.
#include <doctest/doctest.h>

#include <map>

#include "receivers/files/stable_hash.h"
#include "receivers/wandb/run/media.h"
#include "receivers/wandb/run/run_files.h"
#include "receivers/wandb/run/wav.h"
#include "tests/unit/receivers/wandb/run/one_run.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using testing::Binary;
using testing::Integer;
using testing::List;
using testing::MadeRun;
using testing::Map;
using testing::Text;
using Pairs = std::vector<std::pair<std::string, std::string>>;
using Strings = std::vector<std::string>;

std::string Object(const std::string& type, const std::string& extension,
                   const std::string& content, Pairs more = {}) {
  Pairs pairs = {{"_type", Text(type)}, {"ext", Text(extension)}, {"data", Binary(content)}};
  pairs.insert(pairs.end(), more.begin(), more.end());
  return Map(pairs);
}

std::string Pixels(uint64_t width, uint64_t height, uint64_t channels = 3) {
  return Map({{"height", Integer(height)},
              {"width", Integer(width)},
              {"channels", Integer(channels)},
              {"data", Binary(std::string(width * height * channels, '\x7f'))}});
}

std::string ImageOf(Pairs more = {}) {
  more.insert(more.begin(), {{"_type", Text("image-file")}, {"pixels", Pixels(4, 2)}});
  return Map(more);
}

std::string ListOf(const Strings& items) {
  return Map({{"_type", Text("list")}, {"items", List(items)}});
}

// Files below files/, with their content.
std::map<std::string, std::string> FilesOf(const MadeRun& run) {
  const fs::path files = run.LogPath().parent_path() / "files";
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(files)) {
    if (entry.is_regular_file())
      found[fs::relative(entry.path(), files)] = ReadWhole(entry.path(), size_t{1} << 22).value();
  }
  return found;
}

// A row's values by key.
std::map<std::string, std::string> RowOf(MadeRun& run) {
  run.Drain();
  std::map<std::string, std::string> row;
  REQUIRE(ReadLog(run.LogPath(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
            for (const auto& item : items) {
              if (!item.key.starts_with('_')) row[item.key] = std::string(item.json);
            }
          }).has_value());
  return row;
}

Strings NamedFiles(MadeRun& run) {
  run.Drain();
  Strings named;
  const UniqueFd file = OpenToRead(run.LogPath()).value();
  REQUIRE(
      ReadRecords(file.get(), OnDamage::kStop, [&](const ParsedRecord& record, uint64_t /*start*/) {
        for (const std::string_view path : record.files) named.emplace_back(path);
      }).has_value());
  return named;
}

TEST_CASE(
    "a medium is a file that is named by its key, step and content, and an object of leaves") {
  MadeRun run;
  run.Give(DataType::kMedia, "page",
           Object("html-file", ".html", "<p>hi</p>",
                  {{"caption", Text("c")}, {"in", List({Text("eval"), Text("deep")})}}),
           7);
  const std::string hash = HexSha256("<p>hi</p>");
  const std::string path = "media/html/page_7_" + hash.substr(0, 20) + ".html";
  CHECK(FilesOf(run) == std::map<std::string, std::string>{{path, "<p>hi</p>"}});
  CHECK(NamedFiles(run) == Strings{path});
  CHECK(RowOf(run) ==
        std::map<std::string, std::string>{{"eval.deep.page._type", "\"html-file\""},
                                           {"eval.deep.page.sha256", "\"" + hash + "\""},
                                           {"eval.deep.page.size", "9"},
                                           {"eval.deep.page.path", "\"" + path + "\""},
                                           {"eval.deep.page.caption", "\"c\""}});
}

TEST_CASE("a key with slashes makes folders, and leads nowhere else") {
  MadeRun run;
  run.Give(DataType::kMedia, "../../up/page", Object("html-file", ".html", "x"), 1);
  run.Give(DataType::kMedia, "/etc/page", Object("html-file", ".html", "y"), 2);
  for (const auto& [path, content] : FilesOf(run)) {
    CAPTURE(path);
    CHECK(path.starts_with("media/html/_/"));
  }
  CHECK(FilesOf(run).size() == 2);
}

TEST_CASE("sound is written as a WAV file, and its samples must be whole") {
  MadeRun run;
  const auto sound = [](const std::string& samples, uint64_t channels) {
    return Map({{"_type", Text("audio-file")},
                {"pcm16", Binary(samples)},
                {"rate", Integer(8000)},
                {"channels", Integer(channels)}});
  };
  run.Give(DataType::kMedia, "s", sound(std::string(1600, '\1'), 1), 1);
  const auto files = FilesOf(run);
  REQUIRE(files.size() == 1);
  CHECK(files.begin()->second.size() == 1644);
  CHECK(files.begin()->second.starts_with(
      std::string_view("RIFF\x64\x06\0\0WAVEfmt \x10\0\0\0", 20)));
  CHECK(RowOf(run).at("s._type") == "\"audio-file\"");
  CHECK_FALSE(RowOf(run).contains("s.rate"));
  run.Give(DataType::kMedia, "list",
           ListOf({sound(std::string(1600, '\1'), 1), sound(std::string(3200, '\1'), 2)}), 2);
  CHECK(RowOf(run).at("list.sampleRates") == "[8000,8000]");
  CHECK(RowOf(run).at("list.durations") == "[0.1,0.1]");
  CHECK_FALSE(WavFile("odd", 8000, 1));
  CHECK_FALSE(WavFile("even", 0, 1));
  CHECK_FALSE(WavFile("even", 8000, 0));
  CHECK_FALSE(WavFile("even", 8000, 256));
  CHECK_FALSE(WavFile("even", UINT32_MAX, 1));
}

TEST_CASE("masks and boxes are files beside their image, and their classes stand in the config") {
  MadeRun run;
  const std::string labels = Map({{"1", Text("cat")}});
  const std::string mask = Map({{"height", Integer(2)},
                                {"width", Integer(4)},
                                {"data", Binary(std::string(8, '\1'))},
                                {"class_labels", labels}});
  const std::string boxes =
      Map({{"box_data", List({Map({{"class_id", Integer(1)}})})}, {"class_labels", labels}});
  const std::string image = ImageOf(
      {{"caption", Text("c")}, {"masks", Map({{"pred", mask}})}, {"boxes", Map({{"gt", boxes}})}});
  run.Give(DataType::kMedia, "img", image, 3);
  run.Give(DataType::kMedia, "img", image, 4);
  const auto row = RowOf(run);
  CHECK(row.at("img.width") == "4");
  CHECK(row.at("img.height") == "2");
  CHECK(row.at("img.format") == "\"png\"");
  CHECK(row.at("img.masks.pred._type") == "\"mask\"");
  CHECK(row.at("img.masks.pred.path").starts_with("\"media/images/mask/img_4_"));
  CHECK(row.at("img.boxes.gt._type") == "\"boxes2D\"");
  CHECK(row.at("img.boxes.gt.path").starts_with("\"media/metadata/boxes2D/img_4_"));
  CHECK(FilesOf(run).size() == 6);
  for (const auto& [path, content] : FilesOf(run)) {
    if (path.ends_with(".boxes2D.json"))
      CHECK(content == R"({"box_data":[{"class_id":1}],"class_labels":{"1":"cat"}})");
  }
  size_t labels_records = 0;
  const UniqueFd file = OpenToRead(run.LogPath()).value();
  REQUIRE(
      ReadRecords(file.get(), OnDamage::kStop, [&](const ParsedRecord& record, uint64_t /*start*/) {
        if (record.kind != ParsedRecord::Kind::kConfig) return;
        ++labels_records;
        REQUIRE(record.items.size() == 1);
        REQUIRE(record.items[0].path.size() == 3);
        CHECK(record.items[0].path[0] == "_wandb");
        CHECK(record.items[0].json.find(R"("value":{"1":"cat"})") != std::string_view::npos);
      }).has_value());
  CHECK(labels_records == 2);  // said once, not for each image
}

TEST_CASE("media in the summary are files and the object that names them, once") {
  MadeRun run;
  const std::string graph = Object("graph-file", ".graph.json", "{}");
  const std::string sha256 = HexSha256("{}");
  const std::string path = "media/graph/graph_0_summary_" + sha256.substr(0, 20) + ".graph.json";
  run.Operate("graph_0", "summary", {{"value", graph}});
  run.Persist();
  run.Reopen();
  CHECK(run.SummaryOf("graph_0") ==
        R"({"_type":"graph-file","sha256":")" + sha256 + R"(","size":2,"path":")" + path + R"("})");
  CHECK(FilesOf(run) == std::map<std::string, std::string>{{path, "{}"}});
  CHECK(run.Rows().empty());
  const std::string mask =
      Map({{"height", Integer(2)}, {"width", Integer(4)}, {"data", Binary(std::string(8, '\1'))}});
  run.Operate("i", "summary", {{"value", ImageOf({{"masks", Map({{"a", mask}, {"b", mask}})}})}});
  const std::string image = run.SummaryOf("i");
  CHECK(image.find(R"("masks":{"a":{"_type":"mask",)") != std::string::npos);
  CHECK(image.find(R"(},"b":{"_type":"mask",)") != std::string::npos);
  // What has no content is as it was given; W&B's own values are nobody's.
  run.Operate("p", "summary", {{"value", Map({{"_type", Text("graph-file")}})}});
  CHECK(run.SummaryOf("p") == R"({"_type":"graph-file"})");
  run.Operate("_g", "summary", {{"value", graph}});
  CHECK(run.SummaryOf("_g").empty());
  CHECK(FilesOf(run).size() == 3);
}

TEST_CASE("a list of media has the form that W&B has for its type") {
  MadeRun run;
  const std::string first = ImageOf({{"caption", Text("c")}}), second = ImageOf();
  run.Give(DataType::kMedia, "ev/imgs", ListOf({first, second}), 1);
  run.Give(DataType::kMedia, "late", ListOf({second, first}), 1);
  run.Give(DataType::kMedia, "mols",
           ListOf({Object("molecule-file", ".pdb", "A"), Object("molecule-file", ".pdb", "B")}), 1);
  run.Give(DataType::kMedia, "3d", ListOf({Object("object3D-file", ".pts.json", "[]")}), 1);
  run.Give(DataType::kMedia, "pages", ListOf({Object("html-file", ".html", "x")}), 1);
  run.Give(DataType::kMedia, "films",
           ListOf({Object("video-file", ".gif", "GIF", {{"caption", Text("z")}})}), 1);
  run.Give(DataType::kMedia, "mixed", ListOf({first, Object("html-file", ".html", "x")}), 1);
  const auto row = RowOf(run);
  CHECK(row.at("ev/imgs._type") == "\"images/separated\"");
  CHECK(row.at("ev/imgs.count") == "2");
  CHECK(row.at("ev/imgs.width") == "4");
  CHECK(row.at("ev/imgs.captions") == R"(["c",null])");
  CHECK(row.at("ev/imgs.filenames").find("media/images/ev/imgs_1_") != std::string::npos);
  CHECK_FALSE(row.contains("ev/imgs.path"));
  CHECK_FALSE(row.contains("late.captions"));
  CHECK(row.at("mols._type") == "\"molecule\"");
  CHECK(row.at("mols.captions") == "false");
  CHECK(row.at("3d.filenames").starts_with("[\"3d_1_"));
  CHECK(row.at("3d.objects").starts_with("[{\"_type\":\"object3D-file\""));
  CHECK(row.at("pages.html").starts_with("[{\"_type\":\"html-file\""));
  CHECK(row.at("films.captions") == R"(["z"])");
  CHECK(row.at("mixed").starts_with("[{\"_type\":\"image-file\""));
}

TEST_CASE("of a list of images the first 108 are kept") {
  MadeRun run;
  std::string items = {'\xdc', '\0', static_cast<char>(110)};
  for (int i = 0; i < 110; ++i) items += ImageOf();
  run.Give(DataType::kMedia, "many", Map({{"_type", Text("list")}, {"items", items}}), 1);
  CHECK(RowOf(run).at("many.count") == "108");
}

TEST_CASE("what is no medium leaves no file and no row, and is counted") {
  MadeRun run;
  const Strings none = {
      Map({{"data", Binary("x")}}),
      Map({{"_type", Text("table-file")}, {"data", Binary("x")}, {"ext", Text(".html")}}),
      Map({{"_type", Text("html-file")}, {"ext", Text(".html")}}),
      Map({{"_type", Text("html-file")}, {"ext", Text(".html")}, {"data", Text("x")}}),
      Object("html-file", ".exe", "x"),
      Object("html-file", "", "x"),
      Object("video-file", ".gif .mp4", "x"),
      Object("object3D-file", "/../../x.obj", "x"),
      Object("html-file", ".html", "x", {{"in", Text("eval")}}),
      Object("html-file", ".html", "x", {{"in", List({Integer(1)})}}),
      Object("image-file", ".png", "no image"),
      ImageOf({{"masks", Map({{"m", Map({{"height", Integer(1)}})}})}}),
      ImageOf({{"boxes", Map({{"b", Text("x")}})}}),
      Map({{"_type", Text("audio-file")}, {"pcm16", Binary("abc")}, {"rate", Integer(8000)}}),
      ListOf({}),
      ListOf({ListOf({ImageOf()})}),
      ListOf({ImageOf(), Integer(1)}),
      Integer(5)};
  for (const std::string& value : none) run.Give(DataType::kMedia, "x", value, 1);
  CHECK(RowOf(run).empty());
  CHECK(FilesOf(run).empty());
  CHECK(NamedFiles(run).empty());
  CHECK(run.run().Report().starts_with(std::to_string(none.size()) + " records have no place"));
}

TEST_CASE("given again after a crash, media are in one row, and in the same files") {
  MadeRun run;
  for (int step = 0; step < 5; ++step) {
    run.Give(DataType::kMedia, "img", ImageOf(), step);
    if (step == 2) run.Persist();
    run.DieWithout(static_cast<uint64_t>(50 * step));
  }
  run.Drain();
  size_t rows = 0;
  REQUIRE(ReadLog(run.LogPath(), [&](const auto&) { ++rows; }).has_value());
  CHECK(rows == 5);
  CHECK(FilesOf(run).size() == 5);
}

}  // namespace
}  // namespace flarebridge::wandb
