// The images of a report: which ones runs have logged, by key and step, and the files of as many as
// there is room for. First all logs are read, then files are: the newest and the oldest of each key
// and run, and evenly those between. Memory is bounded, however many images there are and however
// large. Used by ReportData. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/report/media_cells.h"
#include "events/error.h"

namespace flarebridge {

// A file that is in the report.
struct ReportPicture {
  std::string_view type;  // behind "image/"
  uint64_t width = 0, height = 0;
  std::string bytes;
};

struct ReportImage {
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  std::string place;    // for RunReader::ReadFile()
  std::string sha256;   // as it was logged; empty: the row does not say
  std::string caption;  // of the user's
  uint64_t size = 0;    // bytes, as the row says; 0: it does not
  size_t picture = kNone;
};

// What was logged at one step: an image, or a list of them.
struct ReportImageStep {
  int64_t step = 0;
  uint64_t number = 0;  // of the series' values, from 0
  std::vector<ReportImage> images;
};

struct ReportImageSeries {
  uint32_t key = 0;
  uint32_t run = 0;
  uint64_t all = 0;                    // images that were logged
  uint64_t values = 0;                 // rows with some
  std::vector<ReportImageStep> steps;  // those that may be shown, in the order of the log
};

// An image that would have had room and can't be shown.
struct ReportImageFault {
  size_t series = 0;
  int64_t step = 0;
  std::string place, words;
};

class ReportImages {
 public:
  static constexpr size_t kMostSeries = 20'000;
  static constexpr size_t kMostStepsOfOne = 100;  // of a series, evenly spaced
  static constexpr size_t kMostSteps = 40'000;    // of all series together
  static constexpr size_t kMostImagesOfStep = 16;
  static constexpr size_t kMostBytes = size_t{16} << 20;  // of places and captions together
  static constexpr size_t kMostPlaceBytes = 4'096;
  static constexpr size_t kMostCaptionBytes = 500;
  static constexpr size_t kMostFileBytes = 2'000'000;
  // A browser takes four bytes of memory for each.
  static constexpr uint64_t kMostPixels = 50'000'000;
  static constexpr size_t kMostFaults = 100;      // that are named; all are counted
  static constexpr size_t kMostNamedBytes = 300;  // of such a one's place
  static constexpr size_t kMostReads = 10'000;    // of files: what can't be shown takes time, too

  // From now on rows are another run's.
  void BeginRun() { places_.clear(); }
  // Gives false if the value is no image, or does not say where its file is.
  bool Take(uint32_t key, uint32_t run, int64_t step, const MediaValue& value);
  // The newest value of each series is one that may be shown.
  void EndRun();

  // Bytes that all images which may be shown take in a page, about.
  size_t WantedBytes() const;
  // Reads files until `most` bytes are in the page.
  using ReadFile =
      std::function<Expected<std::string>(uint32_t run, std::string_view place, size_t most)>;
  void Load(const ReadFile& read, size_t most);

  const std::vector<ReportImageSeries>& series() const { return series_; }
  const std::vector<ReportPicture>& pictures() const { return pictures_; }
  const std::vector<ReportImageFault>& faults() const { return faults_; }
  uint64_t all_faults() const { return all_faults_; }

 private:
  // Of the run that is read.
  struct Place {
    size_t series = 0;
    uint64_t stride = 1;  // of its values, those of which the number is a multiple are kept
    ReportImageStep last;
  };

  Place* PlaceOf(uint32_t key, uint32_t run);
  void Keep(ReportImageSeries& series, const ReportImageStep& step);
  void Thin(ReportImageSeries& series, uint64_t stride);
  size_t MostStepsOfOne() const;
  void LoadStep(size_t series, ReportImageStep& step, const ReadFile& read);
  // Why the image can't be shown; empty: it is, or there is no room.
  std::string LoadImage(uint32_t run, ReportImage& image, const ReadFile& read);
  std::string AddPicture(ReportImage& image, std::string bytes);

  std::vector<ReportImageSeries> series_;
  std::map<uint32_t, Place> places_;  // by key
  size_t bytes_ = 0;                  // of places and captions
  std::vector<ReportPicture> pictures_;
  std::map<std::string, size_t> known_;  // pictures by SHA-256
  std::vector<ReportImageFault> faults_;
  uint64_t all_faults_ = 0;
  size_t room_ = 0;  // bytes of a page
  size_t reads_ = 0;
};

}  // namespace flarebridge
