#include "receivers/wandb/run/wandb_run.h"

#include <algorithm>

#include "events/to_integer.h"
#include "receivers/files/folders.h"
#include "receivers/files/stable_hash.h"
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/run/host.h"
#include "receivers/wandb/run/open_log.h"
#include "receivers/wandb/run/run_identity.h"

namespace flarebridge {

Expected<std::shared_ptr<const OwnArguments>> ParseWandbArguments(const Value& arguments) {
  Expected<wandb::WandbArguments> parsed = wandb::WandbArguments::Parse(arguments);
  if (!parsed) return Propagate(parsed);
  return std::make_shared<const wandb::WandbArguments>(std::move(*parsed));
}

Expected<std::unique_ptr<Receiver>> OpenWandbRun(const RunSpec& spec, const std::string& folder,
                                                 const OwnArguments& own,
                                                 const OnProgress& on_progress) {
  Expected<std::unique_ptr<wandb::WandbRun>> run = wandb::WandbRun::Open(
      spec, folder, static_cast<const wandb::WandbArguments&>(own), on_progress);
  if (!run) return Propagate(run);
  return std::unique_ptr<Receiver>(std::move(*run));
}

namespace wandb {
namespace {

namespace fs = std::filesystem;

// Bytes that may wait for one write; beyond it a flush does not wait for the worker's.
constexpr size_t kMaxWaiting = size_t{1} << 20;
// Bytes of a checkpoint at most (a run has 256 tags, but their keys may be long), or this part of
// what was written since the one before, as for many metrics.
constexpr size_t kLargestCheckpoint = size_t{256} << 10;
constexpr uint64_t kCheckpointPart = 16;
// Seconds that fit into an exit record.
constexpr double kLongestRuntime = 2147483647;

}  // namespace

WandbRun::WandbRun(fs::path folder, AppendOnlyFile file, Recovered recovered, uint64_t journal,
                   BlobFolder blobs)
    : journal_(journal),
      recovered_(std::move(recovered)),
      out_(std::move(folder), std::move(file), recovered_, journal, std::move(blobs)),
      written_(recovered_.applied.floor()),
      durable_(recovered_.applied.floor()),
      checkpoint_at_(recovered_.checkpoint_at),
      checkpoint_written_at_(recovered_.checkpoint_at) {}

Expected<std::unique_ptr<WandbRun>> WandbRun::Open(const RunSpec& spec, const fs::path& root,
                                                   const WandbArguments& arguments,
                                                   const OnProgress& on_progress,
                                                   uint64_t checkpoint_every) {
  RunRecord run = IdentifyRun(spec, arguments);
  run.version = FLAREBRIDGE_VERSION;
  if (arguments.system()) {
    run.host = HostName();
    run.platform = Platform();
  }
  const uint64_t journal = StableHash(spec.journal);
  Expected<OpenedLog> opened =
      OpenLog(root, run, journal, spec.durable, arguments.online(), on_progress);
  if (!opened) return Propagate(opened);

  std::unique_ptr<WandbRun> self(new WandbRun(opened->folder, std::move(opened->file),
                                              std::move(opened->recovered), journal,
                                              BlobFolder(spec.blobs, on_progress)));
  self->checkpoint_every_ = checkpoint_every;
  self->online_ = arguments.online();
  self->out_.tells_of_machine = arguments.system();
  self->set_aside_ = std::move(opened->set_aside);
  self->out_.prefix_scalars = arguments.prefix_scalars();
  if (Expected<void> begun = self->Begin(std::move(run)); !begun) return Propagate(begun);
  return self;
}

Expected<void> WandbRun::Begin(RunRecord run) {
  if (Expected<void> cut = out_.log.CutTorn(); !cut) return cut;
  if (recovered_.has_run) {
    out_.run.version = std::move(run.version);
    out_.run.platform = std::move(run.platform);
    out_.run.side = run.side;
    // The log may be of a time when more could be told: what is told from here on is not.
    if (!out_.tells_of_machine) out_.run.host.clear();
    // The log belongs to another journal until now.
    if (!recovered_.applied.knows_journal() && !recovered_.ended) AddRun();
  } else if (Expected<void> written = WritePrologue(std::move(run)); !written) {
    return written;
  }
  if (Expected<void> written = out_.log.WriteOut(); !written) return written;
  // A worker that was killed may not have synced what recovery found; the durable position that is
  // told for it must be true.
  if (Expected<void> synced = out_.log.PersistAll(); !synced) return synced;
  const fs::path wandb_folder = out_.folder.parent_path();
  for (const fs::path& folder : {out_.folder, wandb_folder, wandb_folder.parent_path()}) {
    if (Expected<void> synced = PersistFolder(folder); !synced) return synced;
  }
  return {};
}

void WandbRun::AddRun() {
  // With this mark on disk, whatever is damaged behind it is of this journal's time.
  const AppliedMark mark{journal_, 0, {}};
  out_.rows.Take(mark);
  out_.log.Add(
      [&](int64_t number, std::string& record) { AppendRun(number, out_.run, &mark, record); });
}

Expected<void> WandbRun::WritePrologue(RunRecord run) {
  // A crash may have left the file's header or first records only: they are written anew.
  if (Expected<void> begun = out_.log.StartAnew(); !begun) return begun;
  checkpoint_at_ = checkpoint_written_at_ = 0;
  out_.run = std::move(run);
  out_.log.Add(
      [&](int64_t number, std::string& record) { AppendHeader(number, out_.run.version, record); });
  AddRun();
  if (out_.tells_of_machine) {
    out_.log.Add([&](int64_t number, std::string& record) {
      AppendEnvironment(number, DescribeEnvironment(out_.run), record);
    });
  }
  // Later run records tell tags: this config would undo what has changed by then.
  out_.run.config.clear();
  return {};
}

Expected<void> WandbRun::Write(uint64_t position, const Event& event, Clock::time_point now) {
  if (recovered_.applied.Contains(position)) {
    out_.rows.Pass(position);
    return {};
  }
  if (const auto* data = std::get_if<Data>(&event)) {
    const Expected<bool> applied = ApplyData(out_, position, *data, now);
    if (!applied) return Propagate(applied);
    if (!*applied) ++unsupported_;
  } else if (const auto* ended = std::get_if<RunEnded>(&event)) {
    if (Expected<void> written = WriteEnd(position, *ended); !written) return written;
  }
  out_.rows.Pass(position);
  return out_.log.waiting_bytes() > kMaxWaiting ? out_.log.WriteOut() : Expected<void>();
}

Expected<void> WandbRun::WriteEnd(uint64_t position, const RunEnded& ended) {
  if (Expected<void> reopened = out_.log.Reopen(); !reopened) return reopened;
  WriteTags(out_);
  const double runtime =
      std::min(out_.rows.WriteLast(std::min(ended.time, kMaxTime)), kLongestRuntime);
  if (Expected<void> begun = out_.log.BeginEnd(); !begun) return begun;
  out_.log.Add([&](int64_t number, std::string& record) {
    AppendExit(number, ended.exit_code, ToInteger<int32_t>(runtime), record);
  });
  // `wandb sync --legacy` takes the exit code only where a final record follows.
  const AppliedMark mark = out_.rows.MarkAt(position);
  out_.log.Add([&](int64_t number, std::string& record) { AppendFinal(number, &mark, record); });
  return out_.log.FinishEnd();
}

std::optional<Clock::time_point> WandbRun::NextFlush() const {
  std::optional<Clock::time_point> next = out_.rows.NextDue();
  const auto consider = [&next](std::optional<Clock::time_point> due) {
    if (due) next = next ? std::min(*next, *due) : due;
  };
  consider(NextTags(out_));
  return next;
}

Expected<void> WandbRun::WriteOut() {
  if (Expected<void> written = out_.log.WriteOut(); !written) return written;
  written_ = std::max(written_, out_.rows.EncodedPosition());
  return {};
}

Expected<void> WandbRun::Flush(Clock::time_point now) {
  out_.rows.WriteDue(now);
  WriteTagsDue(out_, now);
  return WriteOut();
}

Expected<void> WandbRun::Persist() {
  out_.rows.WriteReady();
  if (Expected<void> written = WriteOut(); !written) return written;
  const bool wrote = out_.log.unsynced();
  if (Expected<void> synced = out_.log.Persist(); !synced) return synced;
  durable_ = written_;
  return wrote ? WriteCheckpoint() : Expected<void>();
}

Expected<void> WandbRun::WriteCheckpoint() {
  if (out_.log.ended() || out_.log.end() - checkpoint_at_ < checkpoint_every_) return {};
  checkpoint_at_ = out_.log.end();
  Checkpoint checkpoint;
  if (!out_.rows.Describe(checkpoint)) return {};
  checkpoint.journals = recovered_.journals;
  if (std::find(checkpoint.journals.begin(), checkpoint.journals.end(), journal_) ==
      checkpoint.journals.end())
    checkpoint.journals.push_back(journal_);
  if (checkpoint.journals.size() > kMostJournals) return {};
  checkpoint.run = out_.run;
  checkpoint.tag_of_key.assign(out_.tag_keys.all().begin(), out_.tag_keys.all().end());
  checkpoint.tags_wait = out_.tags_wait;
  std::string encoded;
  AppendCheckpoint(checkpoint, encoded);
  // It would be much of the log: the run is read from an earlier one.
  const uint64_t part = (checkpoint_at_ - checkpoint_written_at_) / kCheckpointPart;
  if (encoded.size() > std::max<uint64_t>(kLargestCheckpoint, part)) return {};
  checkpoint_written_at_ = checkpoint_at_;
  out_.rows.WriteCheckpoint(encoded);
  return out_.log.WriteOut();
}

Expected<void> WandbRun::Drain() {
  out_.rows.WriteAll();
  WriteTags(out_);
  return Persist();
}

std::optional<UploadTarget> WandbRun::Upload() const {
  if (!online_) return std::nullopt;
  return UploadTarget{"wandb", fs::absolute(out_.log.path()).string()};
}

std::string WandbRun::Report() const {
  std::string report = set_aside_;
  const auto tell = [&report](uint64_t count, const char* what) {
    if (count > 0) report += (report.empty() ? "" : "; ") + std::to_string(count) + what;
  };
  tell(out_.rows.merger().late(),
       " records came after a row of their step or a later one was written: they are rows beside "
       "it, with their step in flarebridge/step");
  tell(out_.rows.merger().stepless(),
       " records had no step in a run that has steps: they are in the row of the step before, or "
       "beside it");
  tell(out_.rows.merger().reordered(),
       " records were brought in another order than they were logged");
  tell(out_.rows.merger().overwritten(),
       " values were replaced by a later one of the same step and key");
  tell(out_.rows.left_out().values(),
       " values have no room in their row, of which W&B takes 10 MiB, and are left out: ");
  if (out_.rows.left_out().values() > 0) report += out_.rows.left_out().names();
  tell(out_.tags_left_out, " tags are in the config only: a run has 256");
  tell(out_.rows.metrics().not_finite(),
       " values that are no finite numbers are left out of a metric's min, max and mean");
  tell(out_.rows.metrics().untracked(),
       " values of metrics whose min, max, mean and first value have no room: their summary is the "
       "last value");
  tell(unsupported_,
       " records have no place in a W&B run (models, empty values, what is no image, impossible "
       "file names, large values that are gone) and are left out");
  return report;
}

}  // namespace wandb
}  // namespace flarebridge
