#include "receivers/wandb/upload/upload_notes.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "receivers/files/durable_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/stable_hash.h"
#include "receivers/wandb/log/log_follower.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// The run record is the second one; a log that has none among so many is no run's.
constexpr int kFirstRecords = 100;
// Of a log's beginning, and before the place that a note counts to: far more than tells logs apart.
constexpr uint64_t kMostHead = 64 << 10, kMostTail = 4 << 10;

uint64_t Now() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count());
}

// Bytes of a file; nothing if they are not all there.
std::optional<std::string> PartOf(const fs::path& file, uint64_t begin, uint64_t end) {
  const Expected<UniqueFd> open = OpenToRead(file);
  return open ? ReadRange(open->get(), begin, end) : std::nullopt;
}

// What a log begins with, and keeps: up to its first run record, as far as it tells logs apart.
std::optional<std::string> HeadOf(const fs::path& log) {
  LogFollower follower(log, OnDamage::kSkip);
  bool found = false;
  int records = 0;
  (void)follower.Read([&](const ParsedRecord& record) {
    found = record.kind == ParsedRecord::Kind::kRun;
    return !found && ++records < kFirstRecords;
  });
  if (!found) return std::nullopt;
  return PartOf(log, 0, std::min(follower.Position().first, kMostHead));
}

// A hash of the bytes before a place in the log; nothing if it does not reach there.
std::optional<uint64_t> TailHash(const fs::path& log, uint64_t at) {
  const std::optional<std::string> tail = PartOf(log, at - std::min(at, kMostTail), at);
  return tail ? std::optional(StableHash(*tail)) : std::nullopt;
}

std::string Hex(std::string_view text) {
  std::string hex;
  for (const uint8_t byte : StableHashBytes(text)) {
    for (const unsigned digit : {byte / 16U, byte % 16U}) hex += "0123456789abcdef"[digit];
  }
  return hex;
}

}  // namespace

fs::path NotesFolder(const Environment& environment) {
  fs::path state = environment("XDG_STATE_HOME").value_or("");
  // "If an implementation encounters a relative path ... it should consider the path invalid".
  if (!state.is_absolute()) {
    const fs::path home = environment("HOME").value_or("");
    if (!home.is_absolute()) return {};
    state = home / ".local" / "state";
  }
  return state / "flarebridge" / "uploads";
}

const fs::path& UploadNotes::Place() const {
  if (!place_.empty() || elsewhere_.empty()) return place_;
  if (const std::optional<std::string> head = HeadOf(log_))
    place_ = elsewhere_ / (Hex(log_.parent_path().filename().string() + "\n" + *head) + ".upload");
  return place_;
}

std::optional<UploadNotes::Elsewhere> UploadNotes::ReadElsewhere() const {
  std::error_code ignored;
  // Nearly always there is no such folder, and no log is read for it.
  if (elsewhere_.empty() || !fs::is_directory(elsewhere_, ignored) || Place().empty())
    return std::nullopt;
  const Expected<std::string> text = ReadWhole(Place(), kMostStateBytes);
  if (!text) return std::nullopt;
  const Json json = Json::parse(*text, nullptr, false);
  try {
    const uint64_t bytes = json.at("bytes").get_ref<const Json::number_unsigned_t&>();
    const uint64_t tail = json.at("tail").get_ref<const Json::number_unsigned_t&>();
    if (TailHash(log_, bytes) != tail) return std::nullopt;
    std::optional<UploadState> state = ParseState(json.at("state").dump());
    if (!state) return std::nullopt;
    const Expected<FileInfo> info = InfoOf(log_);
    return Elsewhere{std::move(*state),
                     json.at("whole").get<bool>() && info && info->size == bytes};
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

Expected<void> UploadNotes::WriteElsewhere(const UploadState& state, uint64_t bytes,
                                           bool whole) const {
  if (elsewhere_.empty()) return Fail(ErrorCode::kConfig, "there is no home for another place");
  if (Place().empty()) return Fail(ErrorCode::kIo, log_.string() + " can't be read");
  const std::optional<uint64_t> tail = TailHash(log_, bytes);
  if (!tail) return Fail(ErrorCode::kIo, log_.string() + " can't be read");
  const Json json = {{"log", log_.string()},
                     {"bytes", bytes},
                     {"tail", *tail},
                     {"whole", whole},
                     {"state", Json::parse(StateText(state), nullptr, false)}};
  if (Expected<void> made = MakePrivateFolder(elsewhere_); !made) return made;
  return WriteDurably(Place(), json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

UploadNotes::Kept UploadNotes::KeepElsewhere(const UploadState& state, uint64_t bytes, bool whole,
                                             const std::string& why) const {
  const Expected<void> written = WriteElsewhere(state, bytes, whole);
  if (written) return {Kept::Where::kElsewhere, why};
  return {Kept::Where::kNowhere, why + "; " + written.error().message};
}

std::optional<UploadState> UploadNotes::Latest() const {
  std::optional<UploadState> beside = ReadState(log_);
  std::optional<Elsewhere> elsewhere = ReadElsewhere();
  if (elsewhere && (!beside || beside->noted < elsewhere->state.noted))
    return std::move(elsewhere->state);
  return beside;
}

UploadState UploadNotes::Read(const std::string& server) const {
  UploadState beside = ReadState(log_, server);
  std::optional<Elsewhere> elsewhere = ReadElsewhere();
  const bool later = elsewhere && elsewhere->state.server == server &&
                     (beside.run.empty() || beside.noted < elsewhere->state.noted);
  return later ? std::move(elsewhere->state) : beside;
}

bool UploadNotes::IsMarked() const {
  std::error_code ignored;
  if (fs::exists(MarkPath(log_), ignored)) return true;
  const std::optional<Elsewhere> elsewhere = ReadElsewhere();
  return elsewhere && elsewhere->whole;
}

UploadNotes::Kept UploadNotes::Write(UploadState state, uint64_t bytes) {
  state.noted = Now();
  const Expected<void> written = WriteState(log_, state);
  if (written) return {};
  return KeepElsewhere(state, bytes, false, written.error().message);
}

UploadNotes::Kept UploadNotes::Mark(UploadState state, uint64_t bytes) {
  const Expected<void> marked = WriteDurably(MarkPath(log_), "", 0666);
  if (marked) return {};
  state.noted = Now();
  return KeepElsewhere(state, bytes, true, marked.error().message);
}

std::optional<fs::path> UploadNotes::PlaceElsewhere() const {
  return ReadElsewhere() ? std::optional(Place()) : std::nullopt;
}

void NotesTold::Tell(const UploadNotes::Kept& kept, const fs::path& elsewhere,
                     const std::function<void(const std::string& words)>& say) {
  using Where = UploadNotes::Kept::Where;
  if (kept.where == Where::kBeside || !say) return;
  {
    const MutexLock lock(mutex_);
    const bool nowhere = kept.where == Where::kNowhere;
    if (std::exchange(nowhere ? nowhere_told_ : elsewhere_told_, true)) return;
  }
  if (kept.where == Where::kElsewhere) {
    say("a run's folder can't be written, so what is uploaded is noted in " + elsewhere.string() +
        ": " + kept.why);
    return;
  }
  say("what is uploaded can't be noted, so the next upload asks the server and sends all again, to "
      "the same places; set XDG_STATE_HOME to a folder that can be written: " +
      kept.why);
}

}  // namespace flarebridge::wandb
