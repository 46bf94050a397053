#include "bridge/report/media_json.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace flarebridge {
namespace {

void AppendTexts(const ReportTexts& texts, std::string& out) {
  PageObject object(out);
  object.Whole("key", texts.key);
  object.Whole("run", texts.run);
  object.Whole("all", texts.all);
  AppendList(texts.latest, object.At("latest"), [&](const auto& entry) {
    out += '[' + std::to_string(entry.first) + ',';
    AppendPageText(entry.second, out);
    out.push_back(']');
  });
  object.Close();
}

void AppendFile(const ReportFile& file, std::string& out) {
  PageObject object(out);
  object.Whole("run", file.run);
  object.Text("name", file.name);
  object.Text("text", file.text);
  object.Close();
}

void AppendConsoles(const ReportData& data, std::string& out) {
  std::vector<uint32_t> runs;
  for (uint32_t i = 0; i < data.runs().size(); ++i) {
    if (data.runs()[i].console.lines() > 0) runs.push_back(i);
  }
  AppendList(runs, out, [&](uint32_t run) {
    const ConsoleText& console = data.runs()[run].console;
    PageObject object(out);
    object.Whole("run", run);
    object.Whole("lines", console.lines());
    object.Text("text", console.text());
    object.Close();
  });
}

bool IsIn(const ReportImage& image) { return image.picture != ReportImage::kNone; }

// `[step,[[picture,caption],...]]`
void AppendStep(const ReportImageStep& step, std::string& out) {
  std::vector<const ReportImage*> images;
  for (const ReportImage& image : step.images) {
    if (IsIn(image)) images.push_back(&image);
  }
  out += '[' + std::to_string(step.step) + ',';
  AppendList(images, out, [&](const ReportImage* image) {
    out += '[' + std::to_string(image->picture) + ',';
    AppendPageText(image->caption, out);
    out.push_back(']');
  });
  out.push_back(']');
}

void AppendImageSeries(const ReportImageSeries& series, std::string& out) {
  std::vector<const ReportImageStep*> steps;
  for (const ReportImageStep& step : series.steps) {
    if (std::any_of(step.images.begin(), step.images.end(), IsIn)) steps.push_back(&step);
  }
  PageObject object(out);
  object.Whole("key", series.key);
  object.Whole("run", series.run);
  object.Whole("all", series.all);
  AppendList(steps, object.At("steps"),
             [&](const ReportImageStep* step) { AppendStep(*step, out); });
  object.Close();
}

void AppendImages(const ReportImages& images, std::string& out) {
  PageObject object(out);
  AppendList(images.pictures(), object.At("pictures"), [&](const ReportPicture& picture) {
    PageObject one(out);
    one.Text("type", picture.type);
    one.Whole("width", picture.width);
    one.Whole("height", picture.height);
    AppendPageBytes(picture.bytes, one.At("bytes"));
    one.Close();
  });
  AppendList(images.series(), object.At("series"),
             [&](const ReportImageSeries& series) { AppendImageSeries(series, out); });
  AppendList(images.faults(), object.At("faults"), [&](const ReportImageFault& fault) {
    PageObject one(out);
    one.Whole("series", fault.series);
    one.Whole("step", fault.step);
    one.Text("place", fault.place);
    one.Text("words", fault.words);
    one.Close();
  });
  object.Whole("all_faults", images.all_faults());
  object.Close();
}

}  // namespace

void AppendMedia(const ReportData& data, PageObject& object, std::string& out) {
  AppendImages(data.images(), object.At("images"));
  AppendList(data.texts(), object.At("texts"),
             [&](const ReportTexts& texts) { AppendTexts(texts, out); });
  AppendList(data.files(), object.At("files"),
             [&](const ReportFile& file) { AppendFile(file, out); });
  AppendConsoles(data, object.At("consoles"));
}

}  // namespace flarebridge
