#include "receivers/wandb/run/wandb_run.h"

#include <algorithm>
#include <cmath>
#include <system_error>

#include "receivers/files/folders.h"
#include "receivers/files/stable_hash.h"
#include "receivers/json.h"
#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/run/host.h"
#include "receivers/wandb/run/image.h"
#include "receivers/wandb/run/open_log.h"
#include "receivers/wandb/run/run_files.h"
#include "receivers/wandb/run/run_identity.h"

namespace flarebridge {

Expected<std::shared_ptr<const OwnArguments>> ParseWandbArguments(const Value& arguments) {
  Expected<wandb::WandbArguments> parsed = wandb::WandbArguments::Parse(arguments);
  if (!parsed) return Propagate(parsed);
  return std::make_shared<const wandb::WandbArguments>(std::move(*parsed));
}

Expected<std::unique_ptr<Receiver>> OpenWandbRun(const RunSpec& spec, const std::string& folder,
                                                 const OwnArguments& own) {
  Expected<std::unique_ptr<wandb::WandbRun>> run =
      wandb::WandbRun::Open(spec, folder, static_cast<const wandb::WandbArguments&>(own));
  if (!run) return Propagate(run);
  return std::unique_ptr<Receiver>(std::move(*run));
}

namespace wandb {
namespace {

namespace fs = std::filesystem;

// Rows that share one summary record when they come faster than flushes.
constexpr size_t kRowsPerSummary = 128;
// Bytes that may wait for one write; beyond it a flush does not wait for the worker's.
constexpr size_t kMaxPending = size_t{1} << 20;
// How often W&B's own client samples (x_stats_sampling_interval).
constexpr std::chrono::seconds kSampleInterval{15};

bool HasPlace(DataType type) {
  return type >= DataType::kScalar && type <= DataType::kLogRecord && type != DataType::kModel;
}

bool HasLeaf(const Value& value) {
  if (value.kind() != ValueKind::kMap) return true;
  bool found = false;
  value.ForEachPair([&](std::string_view, Value child) { found = found || HasLeaf(child); });
  return found;
}

// False for empty dicts: they would become a record without content, which ends W&B's reader, or
// none at all.
bool HasContent(const Data& data) {
  const bool empty_dict = data.value.kind() == ValueKind::kMap && data.value.size() == 0;
  switch (data.type) {
    case DataType::kParameters:
    case DataType::kTag:
    case DataType::kTags:
      return !empty_dict;
    case DataType::kParameter:
    case DataType::kLogRecord:
      return true;
    default:
      return HasLeaf(data.value);
  }
}

// A clock may be anywhere; a record's times may not.
double TimeOf(const Data& data) { return std::min(data.time, kMaxTime); }

// A dict's leaves become items whose path is that of the dicts they lie in; an empty dict vanishes,
// as W&B's SDK has it. `path` is the same again afterwards.
void AddLeaves(const Value& value, std::string& path, ItemList& items) {
  if (value.kind() != ValueKind::kMap) {
    items.AddWritten(path, [&](std::string& out) { AppendJson(value, out); });
    return;
  }
  value.ForEachPair([&](std::string_view key, Value child) {
    const size_t here = path.size();
    AppendPath(key, path);
    AddLeaves(child, path, items);
    path.resize(here);
  });
}

std::string SecondsToJson(double seconds) {
  std::string out;
  AppendSeconds(seconds, out);
  return out;
}

std::string PathOf(std::string_view key) {
  std::string path;
  AppendPath(key, path);
  return path;
}

// Keys that every row has.
const std::string kStepPath = PathOf("_step");
const std::string kRuntimePath = PathOf("_runtime");
const std::string kTimestampPath = PathOf("_timestamp");
const std::string kOwnStepPath = PathOf("flarebridge/step");
const std::string kWandbRuntimePath = PathOf("_wandb") + PathOf("runtime");

}  // namespace

WandbRun::WandbRun(fs::path folder, AppendOnlyFile file, Recovered recovered, uint64_t journal)
    : folder_(std::move(folder)),
      file_(std::move(file)),
      writer_(recovered.whole_end),
      journal_(journal),
      recovered_(std::move(recovered)),
      merger_(StepMerger::Limits(), recovered_.last_step),
      run_(recovered_.run),
      number_(recovered_.number),
      last_runtime_(recovered_.runtime),
      given_(recovered_.applied.floor()),
      written_(recovered_.applied.floor()),
      durable_(recovered_.applied.floor()) {}

Expected<std::unique_ptr<WandbRun>> WandbRun::Open(const RunSpec& spec, const fs::path& root,
                                                   const WandbArguments& arguments) {
  RunRecord run = IdentifyRun(spec, arguments);
  run.host = HostName();
  run.version = FLAREBRIDGE_VERSION;
  run.platform = Platform();
  const uint64_t journal = StableHash(spec.journal);
  Expected<OpenedLog> opened = OpenLog(root, run, journal, spec.durable, arguments.online());
  if (!opened) return Propagate(opened);

  std::unique_ptr<WandbRun> self(
      new WandbRun(opened->folder, std::move(opened->file), std::move(opened->recovered), journal));
  self->online_ = arguments.online();
  if (spec.side == "client") self->system_.emplace();
  self->set_aside_ = std::move(opened->set_aside);
  self->prefix_scalars_ = arguments.prefix_scalars();
  if (Expected<void> begun = self->Begin(std::move(run)); !begun) return Propagate(begun);
  return self;
}

Expected<void> WandbRun::Begin(RunRecord run) {
  if (file_.size() > recovered_.whole_end) {
    if (Expected<void> cut = file_.CutTo(recovered_.whole_end); !cut) return cut;
  }
  if (recovered_.has_run) {
    run_.version = std::move(run.version);
    run_.platform = std::move(run.platform);
    // The log belongs to another journal until now.
    if (!recovered_.applied.knows_journal() && !recovered_.ended) {
      const AppliedMark mark{journal_, 0, {}};
      AppendRun(++number_, run_, &mark, scratch_);
      Queue();
      if (Expected<void> written = WriteOut(); !written) return written;
    }
  } else if (Expected<void> written = WritePrologue(std::move(run)); !written) {
    return written;
  }
  // A worker that was killed may not have synced what recovery found; the durable position that is
  // told for it must be true.
  if (Expected<void> synced = file_.Persist(); !synced) return synced;
  dirty_ = false;
  const fs::path wandb_folder = folder_.parent_path();
  for (const fs::path& folder : {folder_, wandb_folder, wandb_folder.parent_path()}) {
    if (Expected<void> synced = PersistFolder(folder); !synced) return synced;
  }
  return {};
}

Expected<void> WandbRun::WritePrologue(RunRecord run) {
  // A crash may have left the file's header or first records only: they are written anew.
  if (Expected<void> cut = file_.CutTo(0); !cut) return cut;
  writer_ = LogWriter(0);
  number_ = 0;
  run_ = std::move(run);
  writer_.AppendFileHeader(pending_);
  AppendHeader(++number_, run_.version, scratch_);
  Queue();
  // With this mark on disk, whatever is damaged behind it is of this journal's time.
  const AppliedMark mark{journal_, 0, {}};
  AppendRun(++number_, run_, &mark, scratch_);
  Queue();
  AppendEnvironment(++number_, DescribeEnvironment(run_), scratch_);
  Queue();
  // Later run records tell tags: this config would undo what has changed by then.
  run_.config.clear();
  return WriteOut();
}

AppliedMark WandbRun::MarkAt(uint64_t position) {
  // Rows that are complete lie before this record in the log; those that wait come later.
  EncodeReadyRows();
  AppliedMark mark;
  MarkRecord(journal_, {&position, 1}, merger_.LowestWaiting().value_or(position + 1), mark);
  return mark;
}

Expected<void> WandbRun::Write(uint64_t position, const Event& event, Clock::time_point now) {
  if (recovered_.applied.Contains(position)) {
    given_ = std::max(given_, position);
    return {};
  }
  if (const auto* data = std::get_if<Data>(&event)) {
    if (Expected<void> written = WriteData(position, *data, now); !written) return written;
  } else if (const auto* ended = std::get_if<RunEnded>(&event)) {
    if (Expected<void> written = WriteEnd(position, *ended); !written) return written;
  }
  given_ = position;
  return pending_.size() > kMaxPending ? WriteOut() : Expected<void>();
}

Expected<void> WandbRun::WriteData(uint64_t position, const Data& data, Clock::time_point now) {
  if (!HasPlace(data.type) || !HasContent(data)) {
    ++unsupported_;
    return {};
  }
  if (data.type == DataType::kText && !data.path.empty()) return WriteFile(position, data);
  if (data.type == DataType::kImage) return WriteImage(position, data, now);
  if (Expected<void> reopened = ReopenEnd(); !reopened) return reopened;
  switch (data.type) {
    case DataType::kScalar:
    case DataType::kMetric:
    case DataType::kScalars:
    case DataType::kMetrics:
    case DataType::kText:
      WriteRow(position, data, now);
      return {};
    case DataType::kParameter:
    case DataType::kParameters:
      WriteConfig(position, data);
      return {};
    case DataType::kTag:
    case DataType::kTags:
      WriteTags(position, data);
      return {};
    default:
      WriteLogLine(position, data);
      return {};
  }
}

void WandbRun::WriteLogLine(uint64_t position, const Data& data) {
  const AppliedMark mark = MarkAt(position);
  std::string line = data.value.AsText() ? std::string(*data.value.AsText()) : ToJson(data.value);
  if (!line.ends_with('\n')) line.push_back('\n');
  AppendOutput(++number_, TimeOf(data), line, &mark, scratch_);
  Queue();
}

void WandbRun::WriteRow(uint64_t position, const Data& data, Clock::time_point now) {
  const bool dict = data.value.kind() == ValueKind::kMap &&
                    (data.type == DataType::kScalars || data.type == DataType::kMetrics);
  path_.clear();
  // A dict's keys stand for themselves, as in WandBReceiver; its tag ("metrics") says nothing. One
  // of TensorBoard's add_scalars has a tag that was chosen, and may be asked for.
  if (dict && prefix_scalars_ && data.writer == Writer::kTensorBoard) {
    data.value.ForEachPair([&](std::string_view key, Value value) {
      path_ = PathOf(std::string(data.tag) + "/" + std::string(key));
      AddLeaves(value, path_, items_);
    });
  } else {
    if (!dict) AppendPath(data.tag, path_);
    AddLeaves(data.value, path_, items_);
  }
  merger_.Add(position, data.step, TimeOf(data), items_, now);
  if (merger_.ready().size() >= kRowsPerSummary) EncodeReadyRows();
}

void WandbRun::WriteConfig(uint64_t position, const Data& data) {
  std::vector<std::pair<std::string, std::string>> items;
  if (data.type == DataType::kParameters && data.value.kind() == ValueKind::kMap) {
    data.value.ForEachPair(
        [&](std::string_view key, Value value) { items.emplace_back(key, ToJson(value)); });
  } else {
    items.emplace_back(data.tag, ToJson(data.value));
  }
  const AppliedMark mark = MarkAt(position);
  AppendConfig(++number_, items, &mark, scratch_);
  Queue();
}

void WandbRun::WriteTags(uint64_t position, const Data& data) {
  std::vector<std::pair<std::string, std::string>> items;
  const auto add = [&](std::string_view key, const Value& value) {
    const std::string text = value.AsText()   ? std::string(*value.AsText())
                             : value.IsNull() ? ""
                                              : ToJson(value);
    const std::string tag(FitTag(text.empty() ? std::string(key) : std::string(key) + ":" + text));
    if (!tag.empty() && std::find(run_.tags.begin(), run_.tags.end(), tag) == run_.tags.end())
      run_.tags.push_back(tag);
    items.emplace_back(key, ToJson(value));
  };
  if (data.value.kind() == ValueKind::kMap) {
    data.value.ForEachPair(add);
  } else {
    add(data.tag, data.value);
  }
  const AppliedMark mark = MarkAt(position);
  // The config first: the record that carries the mark is the last one of the event's effects.
  AppendConfig(++number_, items, nullptr, scratch_);
  Queue();
  AppendRun(++number_, run_, &mark, scratch_);
  Queue();
}

Expected<void> WandbRun::WriteFile(uint64_t position, const Data& data) {
  const fs::path relative = SafeRelativePath(data.path);
  const Expected<bool> possible =
      WriteRunFile(folder_ / "files", relative, data.value.AsText().value_or(std::string_view()));
  if (!possible) return Propagate(possible);
  if (!*possible) {
    ++unsupported_;
    return {};
  }
  if (Expected<void> reopened = ReopenEnd(); !reopened) return reopened;
  const AppliedMark mark = MarkAt(position);
  AppendFile(++number_, relative.generic_string(), &mark, scratch_);
  Queue();
  return {};
}

Expected<void> WandbRun::WriteImage(uint64_t position, const Data& data, Clock::time_point now) {
  const std::optional<Image> image = ReadImage(data.value);
  if (!image) {
    ++unsupported_;
    return {};
  }
  // Names as W&B's SDK makes them: media/images/<key>_<step>_<20 digits of the content's hash>.
  const std::string step = data.step ? std::to_string(*data.step) : "p" + std::to_string(position);
  const fs::path relative =
      fs::path("media") / "images" /
      SafeRelativePath(std::string(data.tag) + "_" + step + "_" + image->sha256.substr(0, 20) +
                       "." + std::string(image->format));
  const Expected<bool> possible = WriteRunFile(folder_ / "files", relative, image->file);
  if (!possible) return Propagate(possible);
  if (!*possible) {
    ++unsupported_;
    return {};
  }
  if (Expected<void> reopened = ReopenEnd(); !reopened) return reopened;
  AppendFile(++number_, relative.generic_string(), nullptr, scratch_);
  Queue();
  const std::string path = PathOf(data.tag);
  const auto add = [&](std::string_view key, const auto& value) {
    items_.Add(path + PathOf(key), ToJson(value));
  };
  add("_type", std::string_view("image-file"));
  add("format", image->format);
  add("width", static_cast<int64_t>(image->width));
  add("height", static_cast<int64_t>(image->height));
  add("path", std::string_view(relative.generic_string()));
  add("sha256", std::string_view(image->sha256));
  add("size", static_cast<int64_t>(image->file.size()));
  merger_.Add(position, data.step, TimeOf(data), items_, now);
  return {};
}

Expected<void> WandbRun::WriteEnd(uint64_t position, const RunEnded& ended) {
  if (Expected<void> reopened = ReopenEnd(); !reopened) return reopened;
  SettleRows();
  const double runtime = std::max(last_runtime_, std::min(ended.time, kMaxTime) - run_.start_time);
  summary_.Put(kWandbRuntimePath, ToJson(static_cast<int64_t>(runtime)));
  EncodeSummary();
  recovered_.number_before_end = number_;
  // Where to cut if the run goes on after all.
  if (Expected<void> written = WriteOut(); !written) return written;
  recovered_.content_end = file_.size();
  AppendExit(++number_, ended.exit_code, static_cast<int32_t>(std::min(runtime, 2147483647.0)),
             scratch_);
  Queue();
  // `wandb sync --legacy` takes the exit code only where a final record follows.
  const AppliedMark mark = MarkAt(position);
  AppendFinal(++number_, &mark, scratch_);
  Queue();
  if (Expected<void> written = WriteOut(); !written) return written;
  recovered_.ended = true;
  return {};
}

Expected<void> WandbRun::ReopenEnd() {
  if (!recovered_.ended) return {};
  if (Expected<void> cut = file_.CutTo(recovered_.content_end); !cut) return cut;
  // It may have been uploaded to its end; it has more now.
  std::error_code ignored;
  fs::remove(file_.path().string() + ".synced", ignored);
  writer_ = LogWriter(recovered_.content_end);
  number_ = recovered_.number_before_end;
  recovered_.ended = false;
  dirty_ = true;
  return {};
}

void WandbRun::MarkRows(const std::vector<StepMerger::Row>& rows) {
  // From the last row to the first: each claims nothing of what lies behind it.
  uint64_t later = given_ + 1;
  for (const StepMerger::Row& row : rows) later = std::max(later, row.positions.back() + 1);
  if (const auto waiting = merger_.LowestWaiting()) later = std::min(later, *waiting);
  if (marks_.size() < rows.size()) marks_.resize(rows.size());
  for (size_t i = rows.size(); i-- > 0;) {
    MarkRecord(journal_, rows[i].positions, later, marks_[i]);
    later = std::min(later, rows[i].positions.front());
  }
}

void WandbRun::EncodeReadyRows() {
  std::vector<StepMerger::Row>& rows = merger_.ready();
  if (rows.empty()) return;
  MarkRows(rows);
  // The summary goes before the rows that it sums up: if the end is torn off, their events are
  // replayed and the summary is written again.
  SumUp(rows);
  EncodeSummary();
  for (size_t i = 0; i < rows.size(); ++i) EncodeRow(rows[i], marks_[i]);
  merger_.ClearReady();
}

void WandbRun::SumUp(const std::vector<StepMerger::Row>& rows) {
  // From the last row on, each key's first value counts; most rows have the keys of the row behind
  // them, and nothing to say.
  const StepMerger::Row* behind = nullptr;
  for (size_t i = rows.size(); i-- > 0;) {
    const ItemList& items = rows[i].items;
    if (behind != nullptr && items.HasPathsOf(behind->items)) continue;
    behind = &rows[i];
    for (size_t k = 0; k < items.size(); ++k) {
      if (!summary_.Find(items.path(k))) summary_.Add(items.path(k), items.json(k));
    }
  }
  double runtime = last_runtime_;
  for (const StepMerger::Row& row : rows) runtime = std::max(runtime, row.time - run_.start_time);
  summary_.Put(kStepPath, ToJson(rows.back().step));
  summary_.Put(kTimestampPath, SecondsToJson(rows.back().time));
  summary_.Put(kRuntimePath, SecondsToJson(runtime));
  summary_.Put(kWandbRuntimePath, ToJson(static_cast<int64_t>(runtime)));
}

void WandbRun::EncodeRow(StepMerger::Row& row, const AppliedMark& mark) {
  last_runtime_ = std::max(last_runtime_, row.time - run_.start_time);
  ItemList& items = row.items;
  const auto add_step = [&](const std::string& path, int64_t step) {
    items.AddWritten(path, [step](std::string& out) { AppendJson(step, out); });
  };
  const auto add_seconds = [&](const std::string& path, double seconds) {
    items.AddWritten(path, [seconds](std::string& out) { AppendSeconds(seconds, out); });
  };
  if (row.own_step) add_step(kOwnStepPath, *row.own_step);
  add_step(kStepPath, row.step);
  add_seconds(kRuntimePath, last_runtime_);
  add_seconds(kTimestampPath, row.time);
  AppendHistory(++number_, row.items, row.step, &mark, scratch_);
  Queue();
}

void WandbRun::EncodeSummary() {
  AppendSummary(++number_, summary_, scratch_);
  summary_.Clear();
  Queue();
}

void WandbRun::Queue() {
  writer_.AppendRecord(scratch_, pending_);
  scratch_.clear();
}

void WandbRun::SettleRows() {
  merger_.ReleaseAll();
  EncodeReadyRows();
}

uint64_t WandbRun::EncodedPosition() const {
  const std::optional<uint64_t> waiting = merger_.LowestWaiting();
  return waiting ? *waiting - 1 : given_;
}

Expected<void> WandbRun::WriteOut() {
  if (pending_.empty()) return {};
  Expected<void> written = file_.Append(pending_);
  pending_.clear();
  dirty_ = true;
  return written;
}

std::optional<Clock::time_point> WandbRun::NextFlush() const {
  const std::optional<Clock::time_point> rows = merger_.NextDue();
  if (!next_sample_ || recovered_.ended) return rows;
  return rows ? std::min(*rows, *next_sample_) : next_sample_;
}

void WandbRun::SampleSystem(Clock::time_point now) {
  if (!system_ || recovered_.ended || (next_sample_ && now < *next_sample_)) return;
  // The first one only begins to count.
  if (next_sample_) {
    const auto values = system_->Sample();
    if (!values.empty()) {
      AppendStats(++number_, EpochNow(), values, scratch_);
      Queue();
    }
  }
  next_sample_ = now + kSampleInterval;
}

Expected<void> WandbRun::Flush(Clock::time_point now) {
  SampleSystem(now);
  merger_.Release(now);
  EncodeReadyRows();
  if (Expected<void> written = WriteOut(); !written) return written;
  written_ = std::max(written_, EncodedPosition());
  return {};
}

Expected<void> WandbRun::Persist() {
  EncodeReadyRows();
  if (Expected<void> written = WriteOut(); !written) return written;
  written_ = std::max(written_, EncodedPosition());
  if (dirty_) {
    if (Expected<void> synced = file_.Persist(); !synced) return synced;
    dirty_ = false;
  }
  durable_ = written_;
  return {};
}

Expected<void> WandbRun::Drain() {
  SettleRows();
  return Persist();
}

std::optional<UploadTarget> WandbRun::Upload() const {
  if (!online_) return std::nullopt;
  return UploadTarget{"wandb", fs::absolute(file_.path()).string()};
}

std::string WandbRun::Report() const {
  std::string report = set_aside_;
  const auto tell = [&report](uint64_t count, const char* what) {
    if (count > 0) report += (report.empty() ? "" : "; ") + std::to_string(count) + what;
  };
  tell(merger_.late(),
       " records came after a row of their step or a later one was written: they have rows behind "
       "it, with their step in flarebridge/step");
  tell(merger_.reordered(), " records were brought in another order than they were logged");
  tell(merger_.overwritten(), " values were replaced by a later one of the same step and key");
  tell(unsupported_,
       " records have no place in a W&B run (models, empty values, what is no image, impossible "
       "file "
       "names) "
       "and are left out");
  return report;
}

}  // namespace wandb
}  // namespace flarebridge
