#include "receivers/jsonl/jsonl_run.h"

#include <algorithm>
#include <filesystem>

#include "receivers/files/folders.h"
#include "receivers/files/stable_hash.h"
#include "receivers/jsonl/line.h"
#include "receivers/jsonl/line_file.h"
#include "receivers/run_id.h"

namespace flarebridge {

Expected<std::shared_ptr<const OwnArguments>> ParseJsonlArguments(const Value& /*arguments*/) {
  return std::make_shared<const OwnArguments>();
}

Expected<std::unique_ptr<Receiver>> OpenJsonlRun(const RunSpec& spec, const std::string& folder,
                                                 const OwnArguments& /*own*/,
                                                 const OnProgress& on_progress) {
  Expected<std::unique_ptr<jsonl::JsonlRun>> run = jsonl::JsonlRun::Open(spec, folder, on_progress);
  if (!run) return Propagate(run);
  return std::unique_ptr<Receiver>(std::move(*run));
}

namespace jsonl {
namespace {

namespace fs = std::filesystem;

// Bytes that may wait for one write; beyond it a flush does not wait for the worker's.
constexpr size_t kMaxPending = size_t{1} << 20;

// What is behind the damage is needed no more if all that was ever said to be on disk is before it:
// a power cut may leave any of the rest, and the journal has it.
bool IsTornOnly(const FoundLines& found, uint64_t durable) {
  return found.applied.knows_journal() && found.applied.floor() >= durable;
}

}  // namespace

JsonlRun::JsonlRun(AppendOnlyFile file, uint64_t journal, AppliedEvents applied)
    : file_(std::move(file)),
      journal_(journal),
      applied_(std::move(applied)),
      given_(applied_.floor()),
      durable_(applied_.floor()) {}

Expected<std::unique_ptr<JsonlRun>> JsonlRun::Open(const RunSpec& spec, const std::string& folder,
                                                   const OnProgress& on_progress) {
  const fs::path lines = fs::path(folder) / "jsonl";
  if (Expected<void> made = MakeFolders(lines); !made) return Propagate(made);
  const fs::path path = lines / (RunId(spec, "") + ".jsonl");
  const uint64_t journal = StableHash(spec.journal);
  Expected<AppendOnlyFile> file = AppendOnlyFile::Open(path);
  if (!file) return Propagate(file);
  Expected<FoundLines> found = ReadLines(file->fd(), journal, spec.durable, on_progress);
  if (!found) return PropagateFrom(path.string(), found);
  std::string set_aside;
  if (found->damaged && !IsTornOnly(*found, spec.durable)) {
    const Expected<fs::path> aside = SetAside(path);
    if (!aside) return Propagate(aside);
    set_aside = "the file was damaged: what it held until then is in " + aside->string() +
                ", the run goes on in a new one";
    file = AppendOnlyFile::Open(path);
    if (!file) return Propagate(file);
    found = FoundLines(journal);
  }
  if (file->size() > found->whole_end) {
    if (Expected<void> cut = file->CutTo(found->whole_end); !cut) return Propagate(cut);
  }
  const bool known = found->applied.knows_journal();
  std::unique_ptr<JsonlRun> self(
      new JsonlRun(std::move(*file), journal, std::move(found->applied)));
  self->set_aside_ = std::move(set_aside);
  // With this mark on disk, whatever is damaged behind it is of this journal's time.
  if (!known) AppendRun(spec, {journal, 0, {}}, self->pending_);
  // What was found may not have been brought to the disk by a worker that was killed; the durable
  // position that is told for it must be true.
  self->dirty_ = true;
  if (Expected<void> synced = self->Persist(); !synced) return Propagate(synced);
  for (const fs::path& above : {lines, lines.parent_path()}) {
    if (Expected<void> synced = PersistFolder(above); !synced) return Propagate(synced);
  }
  return self;
}

Expected<void> JsonlRun::Write(uint64_t position, const Event& event, Clock::time_point /*now*/) {
  given_ = std::max(given_, position);
  if (applied_.Contains(position)) return {};
  const AppliedMark mark{journal_, position, {}};
  if (const auto* data = std::get_if<Data>(&event)) {
    AppendData(*data, mark, pending_);
  } else if (const auto* ended = std::get_if<RunEnded>(&event)) {
    AppendEnd(*ended, mark, pending_);
  }
  return pending_.size() > kMaxPending ? WriteOut() : Expected<void>();
}

Expected<void> JsonlRun::WriteOut() {
  if (pending_.empty()) return {};
  Expected<void> written = file_.Append(pending_);
  pending_.clear();
  dirty_ = true;
  return written;
}

Expected<void> JsonlRun::Flush(Clock::time_point /*now*/) { return WriteOut(); }

Expected<void> JsonlRun::Persist() {
  if (Expected<void> written = WriteOut(); !written) return written;
  if (dirty_) {
    if (Expected<void> synced = file_.Persist(); !synced) return synced;
    dirty_ = false;
  }
  durable_ = given_;
  return {};
}

}  // namespace jsonl
}  // namespace flarebridge
