// Which images are in a report: the newest, the oldest and evenly those between, in bounded memory.
#include "bridge/report/report_images.h"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "bridge/report/report_data.h"
#include "bridge/report/report_json.h"
#include "receivers/files/stable_hash.h"
#include "tests/unit/bridge/report/made_run.h"

using namespace flarebridge;
using flarebridge::testing::MadeRun;
using namespace std::string_literals;

namespace {

// A PNG by its frame, and different for each number.
std::string PngOf(int number, size_t bytes = 100) {
  return "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x02\0\0\0\x02\x08\x02\0\0\0"s +
         std::to_string(number) + std::string(bytes, '.') + "IEND\xae\x42\x60\x82";
}

std::string ImageJson(const std::string& path, const std::string& more = "") {
  return R"({"_type":"image-file","path":")" + path + '"' + more + '}';
}

// Of key 0 and run 0.
void Take(ReportImages& images, int64_t step, const std::string& json) {
  MediaCells cells;
  const Row row = {{"a", json}};
  cells.Take(row);
  REQUIRE(cells.values().size() == 1);
  CHECK(images.Take(0, 0, step, cells.values()[0]));
}

std::vector<int64_t> LoadedSteps(const ReportImageSeries& series) {
  std::vector<int64_t> steps;
  for (const ReportImageStep& step : series.steps) {
    if (step.images[0].picture != ReportImage::kNone) steps.push_back(step.step);
  }
  return steps;
}

}  // namespace

TEST_CASE("of a million images a hundred may be shown, evenly, the first and the last among them") {
  ReportImages images;
  images.BeginRun();
  for (int64_t step = 0; step < 1'000'000; ++step) {
    Take(images, step, ImageJson("x.png"));
    REQUIRE(images.series()[0].steps.size() <= ReportImages::kMostStepsOfOne);
  }
  images.EndRun();
  const ReportImageSeries& series = images.series()[0];
  CHECK(series.all == 1'000'000);
  CHECK(series.steps.size() > ReportImages::kMostStepsOfOne / 2);
  CHECK(series.steps.front().step == 0);
  CHECK(series.steps.back().step == 999'999);
}

TEST_CASE("where there is room for a few they are the last, the first, and those in the middle") {
  ReportImages images;
  images.BeginRun();
  for (int step = 0; step <= 8; ++step) Take(images, step, ImageJson(std::to_string(step)));
  images.EndRun();
  const auto read = [](uint32_t, std::string_view place, size_t) -> Expected<std::string> {
    return PngOf(std::stoi(std::string(place)), 1'000);
  };
  images.Load(read, 5 * 1'700);
  CHECK(LoadedSteps(images.series()[0]) == std::vector<int64_t>{0, 2, 4, 6, 8});
  CHECK(images.all_faults() == 0);
  CHECK(images.pictures().size() == 5);
}

TEST_CASE("the same image at many steps is in the page once") {
  ReportImages images;
  images.BeginRun();
  for (int step = 0; step < 50; ++step) Take(images, step, ImageJson("same"));
  images.EndRun();
  images.Load([](uint32_t, std::string_view, size_t) -> Expected<std::string> { return PngOf(7); },
              100'000);
  CHECK(images.pictures().size() == 1);
  CHECK(LoadedSteps(images.series()[0]).size() == 50);
}

TEST_CASE("an image is what was logged, small enough to be drawn, and whole, or it is named") {
  const std::string good = PngOf(1);
  std::map<std::string, std::string> files = {{"good", good},
                                              {"other", PngOf(2)},
                                              {"cut", good.substr(0, good.size() - 1)},
                                              {"none", "<svg/>"},
                                              {"huge", PngOf(3)}};
  files["huge"].replace(16, 8, "\0\1\0\0\0\1\0\0"s);
  ReportImages images;
  images.BeginRun();
  const auto logged_as = [](const std::string& content) {
    return R"(,"sha256":")" + HexSha256(content) + '"';
  };
  Take(images, 0, ImageJson("good", logged_as(good)));
  Take(images, 1, ImageJson("other", logged_as(PngOf(9))));
  int step = 2;
  for (const char* name : {"cut", "none", "huge", "missing"}) Take(images, step++, ImageJson(name));
  images.EndRun();
  images.Load(
      [&](uint32_t, std::string_view place, size_t) -> Expected<std::string> {
        const auto file = files.find(std::string(place));
        if (file == files.end()) return Fail(ErrorCode::kIo, "is not there");
        return file->second;
      },
      100'000);
  CHECK(LoadedSteps(images.series()[0]) == std::vector<int64_t>{0});
  CHECK(images.all_faults() == 5);
  std::map<std::string, std::string> words;
  for (const ReportImageFault& fault : images.faults()) words[fault.place] = fault.words;
  CHECK(words["other"].starts_with("is not what was logged"));
  CHECK(words["cut"] == "is cut off");
  CHECK(words["none"].starts_with("is no PNG"));
  CHECK(words["huge"].starts_with("has 65536 x 65536 pixels"));
  CHECK(words["missing"] == "is not there");
}

TEST_CASE("a value without a file is no image, and long lists and names are cut or left out") {
  MediaCells cells;
  ReportImages images;
  images.BeginRun();
  for (const std::string& json :
       {R"({"_type":"image-file"})"s, R"({"_type":"images/separated","filenames":3})"s,
        R"({"_type":"histogram","path":"x"})"s, ImageJson(std::string(5'000, 'x'))}) {
    const Row row = {{"a", json}};
    cells.Take(row);
    CHECK_FALSE(images.Take(0, 0, 0, cells.values()[0]));
  }
  std::string list = R"({"_type":"images/separated","filenames":["0")";
  for (int i = 1; i < 1'000; ++i) list += ",\"" + std::to_string(i) + '"';
  Take(images, 0, list + "]}");
  CHECK(images.series()[0].all == 1'000);
  CHECK(images.series()[0].steps[0].images.size() == ReportImages::kMostImagesOfStep);
  for (int i = 0; i < 100'000; ++i)
    Take(images, i,
         ImageJson(std::string(4'000, 'x'), R"(,"caption":")" + std::string(4'000, 'y') + '"'));
  size_t bytes = 0;
  for (const ReportImageStep& step : images.series()[0].steps)
    for (const ReportImage& image : step.images) bytes += image.place.size() + image.caption.size();
  CHECK(bytes < ReportImages::kMostBytes);
}

TEST_CASE("images take the room that curves leave, and a report of both keeps its bound") {
  constexpr size_t kMost = 2'000'000;
  MadeRun run([](const RowVisitor& visit) {
    for (int i = 0; i < 4'000; ++i) {
      const std::string step = std::to_string(i), image = ImageJson(std::to_string(i % 41));
      Row row = {{"_step", step}, {"image", image}};
      std::vector<std::string> keys;
      for (int key = 0; key < 40; ++key) keys.push_back("k" + std::to_string(key));
      for (const std::string& key : keys) row.push_back({key, step});
      visit(row);
    }
  });
  for (int i = 0; i < 41; ++i) run.files[std::to_string(i)] = PngOf(i, 60'000);
  ReportData data;
  data.Add(run.found());
  const std::string json = FittedReportJson(data, {}, kMost);
  CHECK(json.size() <= kMost);
  CHECK(json.size() > kMost / 2);
  CHECK(data.images().pictures().size() >= 10);
  CHECK(data.MostBins() > 100);
}
