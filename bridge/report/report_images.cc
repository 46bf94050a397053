#include "bridge/report/report_images.h"

#include <algorithm>
#include <utility>

#include "bridge/report/cell_value.h"
#include "bridge/report/image_kind.h"
#include "bridge/report/page_text.h"
#include "receivers/files/stable_hash.h"
#include "receivers/json_scan.h"

namespace flarebridge {
namespace {

// What a picture takes in a page beside its bytes: its type, its measures.
constexpr size_t kFrame = 100;
// Of an image whose row does not tell its size.
constexpr size_t kLikelyBytes = 100'000;

size_t InPage(size_t bytes) { return (bytes + 2) / 3 * 4 + kFrame; }  // in base64

// What names a picture of it in a page: its number, its caption.
size_t NameInPage(const ReportImage& image) {
  std::string caption;
  AppendPageText(image.caption, caption);
  return caption.size() + 30;
}

size_t BytesOf(const ReportImageStep& step) {
  size_t bytes = 0;
  for (const ReportImage& image : step.images)
    bytes += sizeof image + image.place.size() + image.caption.size() + image.sha256.size();
  return bytes;
}

ReportImage ImageOf(std::string_view place, std::string_view caption) {
  ReportImage image;
  image.place = TextIn(place).value_or("");
  image.caption = Shortened(TextIn(caption).value_or(""), ReportImages::kMostCaptionBytes);
  return image;
}

// A list that is logged as one value.
void AddListed(const MediaValue& value, std::vector<ReportImage>& images) {
  std::vector<std::string_view> captions;
  VisitItems(value.Find("captions"), [&](std::string_view item) { captions.push_back(item); });
  size_t at = 0;
  VisitItems(value.Find("filenames"), [&](std::string_view name) {
    images.push_back(ImageOf(name, at < captions.size() ? captions[at] : std::string_view()));
    ++at;
  });
}

std::vector<ReportImage> ImagesOf(const MediaValue& value) {
  std::vector<ReportImage> images;
  if (value.type == "image-file") {
    ReportImage image = ImageOf(value.Find("path"), value.Find("caption"));
    image.sha256 = TextIn(value.Find("sha256")).value_or("");
    image.size =
        static_cast<uint64_t>(std::max<int64_t>(0, StepIn(value.Find("size")).value_or(0)));
    images.push_back(std::move(image));
  } else if (value.type == "images/separated") {
    AddListed(value, images);
  }
  std::erase_if(images, [](const ReportImage& image) {
    return image.place.empty() || image.place.size() > ReportImages::kMostPlaceBytes;
  });
  return images;
}

// Numbers below `count` in such an order that whichever come first are spread evenly: the last, the
// first, the middle, the middles of the halves, ...
std::vector<size_t> SpreadOrder(size_t count) {
  std::vector<size_t> order;
  std::vector<bool> is_in(count, false);
  const auto add = [&](size_t at) {
    if (!is_in[at]) order.push_back(at);
    is_in[at] = true;
  };
  if (count > 0) add(count - 1);
  for (size_t parts = 1; order.size() < count; parts *= 2)
    for (size_t part = 0; part < parts; ++part) add(part * (count - 1) / parts);
  return order;
}

}  // namespace

bool ReportImages::Take(uint32_t key, uint32_t run, int64_t step, const MediaValue& value) {
  std::vector<ReportImage> images = ImagesOf(value);
  if (images.empty()) return false;
  Place* place = PlaceOf(key, run);
  if (place == nullptr) return false;
  ReportImageSeries& series = series_[place->series];
  series.all += images.size();
  if (images.size() > kMostImagesOfStep) images.resize(kMostImagesOfStep);
  place->last = {step, series.values++, std::move(images)};
  if (place->last.number % place->stride != 0) return true;
  Keep(series, place->last);
  while (series.steps.size() > MostStepsOfOne()) Thin(series, place->stride *= 2);
  return true;
}

void ReportImages::EndRun() {
  for (const auto& [key, place] : places_) {
    ReportImageSeries& series = series_[place.series];
    const bool is_in = !series.steps.empty() && series.steps.back().number == place.last.number;
    if (!is_in) Keep(series, place.last);
  }
}

ReportImages::Place* ReportImages::PlaceOf(uint32_t key, uint32_t run) {
  const auto found = places_.find(key);
  if (found != places_.end()) return &found->second;
  if (series_.size() >= kMostSeries) return nullptr;
  Place& place = places_[key];
  place.series = series_.size();
  series_.push_back({key, run, 0, 0, {}});
  return &place;
}

void ReportImages::Keep(ReportImageSeries& series, const ReportImageStep& step) {
  const size_t bytes = BytesOf(step);
  if (bytes_ + bytes > kMostBytes) return;
  bytes_ += bytes;
  series.steps.push_back(step);
}

void ReportImages::Thin(ReportImageSeries& series, uint64_t stride) {
  std::erase_if(series.steps, [&](const ReportImageStep& step) {
    const bool goes = step.number % stride != 0;
    if (goes) bytes_ -= BytesOf(step);
    return goes;
  });
}

size_t ReportImages::MostStepsOfOne() const {
  return std::clamp<size_t>(kMostSteps / std::max<size_t>(series_.size(), 1), 2, kMostStepsOfOne);
}

size_t ReportImages::WantedBytes() const {
  size_t bytes = 0;
  for (const ReportImageSeries& series : series_)
    for (const ReportImageStep& step : series.steps)
      for (const ReportImage& image : step.images)
        bytes +=
            InPage(image.size == 0 ? kLikelyBytes : std::min<uint64_t>(image.size, kMostFileBytes));
  return bytes;
}

void ReportImages::Load(const ReadFile& read, size_t most) {
  room_ = most;
  std::vector<std::vector<size_t>> orders;
  size_t rounds = 0;
  for (const ReportImageSeries& series : series_) {
    orders.push_back(SpreadOrder(series.steps.size()));
    rounds = std::max(rounds, series.steps.size());
  }
  // In turn, so that none takes the room of the others.
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < series_.size(); ++i) {
      if (round < orders[i].size()) LoadStep(i, series_[i].steps[orders[i][round]], read);
    }
  }
}

void ReportImages::LoadStep(size_t series, ReportImageStep& step, const ReadFile& read) {
  for (ReportImage& image : step.images) {
    std::string words = LoadImage(series_[series].run, image, read);
    if (words.empty()) continue;
    ++all_faults_;
    if (faults_.size() < kMostFaults)
      faults_.push_back(
          {series, step.step, Shortened(image.place, kMostNamedBytes), std::move(words)});
  }
}

std::string ReportImages::LoadImage(uint32_t run, ReportImage& image, const ReadFile& read) {
  const size_t name = NameInPage(image);
  if (name > room_) return "";
  room_ -= name;
  if (const auto known = known_.find(image.sha256); known != known_.end()) {
    image.picture = known->second;
    return "";
  }
  // What is too large for every report is told, not left out silently.
  const bool may_fit = image.size > kMostFileBytes || InPage(image.size) <= room_;
  if (!may_fit || reads_ >= kMostReads) return "";
  ++reads_;
  Expected<std::string> bytes = read(run, image.place, kMostFileBytes);
  if (!bytes) return bytes.error().message;
  if (!image.sha256.empty() && HexSha256(*bytes) != image.sha256)
    return "is not what was logged: its SHA-256 is another one";
  return AddPicture(image, std::move(*bytes));
}

std::string ReportImages::AddPicture(ReportImage& image, std::string bytes) {
  const std::optional<ImageKind> kind = ImageKindOf(bytes);
  if (!kind) return "is no PNG, JPEG, GIF or WebP";
  if (!kind->whole) return "is cut off";
  const bool is_large = kind->width > kMostPixels || kind->height > kMostPixels ||
                        kind->width * kind->height > kMostPixels;
  if (is_large)
    return "has " + std::to_string(kind->width) + " x " + std::to_string(kind->height) +
           " pixels, more than " + std::to_string(kMostPixels);
  const std::string sha256 = HexSha256(bytes);
  const auto [known, is_new] = known_.emplace(sha256, pictures_.size());
  if (is_new && InPage(bytes.size()) > room_) {
    known_.erase(known);
    return "";
  }
  image.picture = known->second;
  if (!is_new) return "";
  room_ -= InPage(bytes.size());
  pictures_.push_back({kind->type, kind->width, kind->height, std::move(bytes)});
  return "";
}

}  // namespace flarebridge
