// What a report shows, collected from the logs of runs in one pass over each, in bounded memory
// however long they are: curves as bins, config, the latest texts, which images there are, the end
// of each console. Used by the command `report`; report_json.h writes it down. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bridge/report/console_text.h"
#include "bridge/report/histogram.h"
#include "bridge/report/media_cells.h"
#include "bridge/report/report_images.h"
#include "bridge/report/series_bins.h"
#include "receivers/readers.h"

namespace flarebridge {

struct ReportRun {
  RunSummary::State state = RunSummary::State::kRunning;
  std::string id, name, project, group, log;
  int32_t exit_code = 0;    // once it does not run
  uint64_t rows = 0;        // that were read
  uint64_t bad_bytes = 0;   // of damage in its log
  uint64_t left_out = 0;    // values that are too many, or whose names are too long
  uint64_t steps_back = 0;  // rows whose step is below that of the row before
  // Seconds since the epoch, NaN where the log does not say.
  double start = std::numeric_limits<double>::quiet_NaN();
  double last_time = std::numeric_limits<double>::quiet_NaN();
  std::string unreadable;                     // why nothing more of the log could be read, or ""
  std::map<std::string, std::string> config;  // key -> JSON, cut where it is long
  ConsoleText console;
  uint64_t other_files = 0;  // that are no texts, are too large, or have no room
};

// The curve of a metric in a run; both are places in ReportData's lists.
struct ReportSeries {
  uint32_t key = 0;
  uint32_t run = 0;
  SeriesBins bins;             // times are seconds since the run's start
  bool of_histograms = false;  // values are medians, with most of what was counted around them
};

// The latest texts of a key in a run.
struct ReportTexts {
  uint32_t key = 0;
  uint32_t run = 0;
  uint64_t all = 0;                                    // those that are not here among them
  std::deque<std::pair<int64_t, std::string>> latest;  // step, JSON text
};

// A file of a run that is a text.
struct ReportFile {
  uint32_t run = 0;
  std::string name, text;
};

class ReportData {
 public:
  static constexpr size_t kMostSeries = 20'000;
  // Of all series together: 40 MiB in memory.
  static constexpr size_t kMostBins = size_t{1} << 20;
  // Of one series: a few for each pixel of a wide screen.
  static constexpr size_t kMostBinsOfOne = 2'000;
  static constexpr size_t kMostKeys = 50'000;
  static constexpr size_t kMostKeyBytes = 4'096;               // of one key, as of an event's tag
  static constexpr size_t kMostBytesOfKeys = size_t{4} << 20;  // of all together
  static constexpr size_t kMostTexts = 20;                     // of a key in a run, the latest
  static constexpr size_t kMostTextBytes = 2'000;
  static constexpr size_t kMostBytesOfTexts = size_t{1} << 20;   // of all together
  static constexpr size_t kMostFiles = 100;                      // of a run
  static constexpr size_t kMostFileBytes = 64'000;               // of one that is shown
  static constexpr size_t kMostBytesOfFiles = size_t{1} << 20;   // of all runs together
  static constexpr size_t kMostBytesOfConsole = 200'000;         // of a run
  static constexpr size_t kMostBytesOfConsoles = 2'000'000;      // of all runs together
  static constexpr size_t kMostConfigKeys = 500;                 // of a run
  static constexpr size_t kMostConfigBytes = 500;                // of a key or a value
  static constexpr size_t kMostBytesOfConfig = size_t{8} << 20;  // of all runs together

  // Adds what can be read of a run. A log that can't be read, or not to its end, is a run that says
  // so.
  void Add(const FoundRun& found);
  // Widens the bins until no series has more.
  void Fit(size_t most_bins);
  // The most that a series has.
  size_t MostBins() const;
  // Shortens consoles to so many bytes each.
  void FitConsoles(size_t most_bytes);
  // The most that a console has.
  size_t MostConsoleBytes() const;
  // Reads images until `most` bytes of a page are full.
  void LoadImages(size_t most);

  const std::vector<ReportRun>& runs() const { return runs_; }
  const std::deque<std::string>& keys() const { return keys_; }
  const std::vector<ReportSeries>& series() const { return series_; }
  const std::vector<ReportTexts>& texts() const { return texts_; }
  const ReportImages& images() const { return images_; }
  const std::deque<ReportFile>& files() const { return files_; }
  // Values that are neither numbers nor texts nor images (tables, sounds), by key.
  const std::map<uint32_t, uint64_t>& others() const { return others_; }

 private:
  static constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();
  // Where a key's values of the run that is read go.
  struct Column {
    uint32_t series = kNone;
    uint32_t histograms = kNone;
    uint32_t texts = kNone;
  };

  void AddRow(const Row& row);
  // The row's images, and a count of what else it has that is of a type of its own.
  void AddMedia(float time);
  // The row's own values; gives its time in seconds since the run's start.
  float BeginRow(const Row& row);
  void AddCell(uint32_t key, std::string_view json, float time);
  void AddNumber(uint32_t key, double value, float time);
  void AddHistogram(uint32_t key, const HistogramRange& range, float time);
  // A new one of the run; false: there are too many.
  bool MakeSeries(uint32_t key, bool of_histograms, uint32_t& place);
  void AddText(uint32_t key, std::string_view json);
  // kNone: there are too many.
  uint32_t KeyOf(std::string_view name, size_t place_in_row);
  uint32_t FindKey(std::string_view name);
  void TakeSummary(const RunSummary& summary);
  void AddFiles();
  void AddConsole(std::string_view piece);
  void FitConsoleToOthers();
  size_t MostBinsOfOne() const;

  std::vector<FoundRun> found_;  // as runs_
  std::vector<ReportRun> runs_;
  std::deque<std::string> keys_;  // stay where they are: key_places_ has their views
  std::unordered_map<std::string_view, uint32_t> key_places_;
  std::vector<ReportSeries> series_;
  std::vector<ReportTexts> texts_;
  std::map<uint32_t, uint64_t> others_;
  ReportImages images_;
  std::deque<ReportFile> files_;
  size_t file_bytes_ = 0;
  size_t key_bytes_ = 0;
  size_t text_bytes_ = 0;
  size_t config_bytes_ = 0;
  // Of the run that is read.
  std::vector<Column> columns_;        // by key
  std::vector<uint32_t> keys_of_row_;  // of the row before: the next one mostly has the same
  int64_t step_ = -1;
  MediaCells media_;                              // of the row that is read
  std::map<std::string, std::string> run_files_;  // name -> place, of those that may be texts
};

}  // namespace flarebridge
