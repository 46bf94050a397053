#include "receivers/wandb/upload/parts.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <tuple>

#include "events/time_text.h"
#include "events/to_integer.h"
#include "receivers/wandb/log/log_follower.h"
#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "receivers/wandb/upload/log_copies.h"
#include "receivers/wandb/upload/sent_records.h"
#include "receivers/wandb/upload/upload_notes.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// What orders the logs of one run: when it began, "20260821_100000"; then the folder's
// "20260821_100000-<id>", and what was appended to the name when it was set aside, or a letter
// behind all of those.
struct Part {
  std::string begun, folder, aside;
  fs::path log;
  auto Order() const { return std::tie(begun, folder, aside, log); }
};

Part PartOf(const fs::path& log, const std::optional<LogIdentity>& identity) {
  std::string name = log.parent_path().filename().string();
  std::string aside = "~";
  if (const size_t damaged = name.find(".damaged"); damaged != std::string::npos) {
    aside = name.substr(damaged);
    name.resize(damaged);
  }
  const std::string folder = TimeAndId(name);
  const bool known = identity && identity->start_time > 0;
  const std::string begun = known ? LocalTimeName(ToInteger<int64_t>(identity->start_time))
                                  : folder.substr(0, sizeof "20260821_100000" - 1);
  return {begun, folder, aside, log};
}

// Where a log's run is to be uploaded.
RunRecord TargetOf(const LogIdentity& log, const PartsSearch& search) {
  RunRecord run;
  run.run_id = log.run_id;
  run.entity = log.entity;
  run.project = log.project;
  const UploadChoices none;
  return Chosen(run, search.choices == nullptr ? none : *search.choices, search.entity,
                search.project);
}

bool IsSameRun(const std::optional<LogIdentity>& one, const std::optional<LogIdentity>& other,
               const PartsSearch& search) {
  if (!one || !other) return false;
  if (one->run_id != other->run_id) return false;
  const RunRecord a = TargetOf(*one, search), b = TargetOf(*other, search);
  return a.entity == b.entity && a.project == b.project;
}

// All of its lines are on the server: an upload of ours has noted it, or W&B's own has marked it.
bool IsThere(const UploadNotes& notes, const UploadState& state, uint64_t rows) {
  if (!notes.Latest()) return rows == 0 || notes.IsMarked();
  return RowsIn(state.lines) >= rows;
}

fs::path NotesOf(const PartsSearch& search) {
  return search.choices == nullptr ? fs::path() : search.choices->notes;
}

}  // namespace

std::vector<fs::path> PartsOf(const fs::path& given, const PartsSearch& search) {
  const fs::path log = PlainPath(given);
  const std::optional<LogIdentity> own = IdentityOf(log);
  std::vector<Part> parts = {PartOf(log, own)};
  LogsBeside here;
  for (const fs::path& sibling : (search.beside == nullptr ? here : *search.beside).Of(log)) {
    const bool online = search.choices != nullptr && search.choices->include_online;
    if (online || !IsUploadedByItsWriter(sibling, NotesOf(search)))
      parts.push_back(PartOf(sibling, IdentityOf(sibling)));
  }
  const std::vector<fs::path> known =
      search.known == nullptr ? std::vector<fs::path>() : search.known->WithName(log.filename());
  for (const fs::path& other : known) {
    const bool there = std::any_of(parts.begin(), parts.end(),
                                   [&](const Part& part) { return part.log == other; });
    const std::optional<LogIdentity> identity = there ? std::nullopt : IdentityOf(other);
    if (!there && IsSameRun(own, identity, search) && !AreCopies(log, other))
      parts.push_back(PartOf(other, identity));
  }
  // Beside each other their names order them, which need no readable log and no clock of here.
  const bool beside = std::all_of(parts.begin(), parts.end(), [&](const Part& part) {
    return part.log.parent_path().parent_path() == log.parent_path().parent_path();
  });
  for (Part& part : parts) {
    if (beside) part.begun.clear();
  }
  std::sort(parts.begin(), parts.end(),
            [](const Part& a, const Part& b) { return a.Order() < b.Order(); });
  std::vector<fs::path> logs;
  logs.reserve(parts.size());
  for (Part& part : parts) logs.push_back(std::move(part.log));
  return logs;
}

Expected<std::map<std::string, uint64_t>> CountLines(const fs::path& log) {
  LogFollower follower(log, OnDamage::kSkip);
  // All count as sent: none is kept.
  constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
  LineBuffer lines({{kHistoryStream, kAll}, {kEventsStream, kAll}, {kConsoleStream, kAll}});
  const Expected<LogFollower::End> end = follower.Read([&](const ParsedRecord& record) {
    lines.Take(record, 0);
    return true;
  });
  if (!end) return Propagate(end);
  return lines.seen();
}

Expected<EarlierParts> FindEarlierParts(const fs::path& log, const PartsSearch& search) {
  const std::vector<fs::path> parts = PartsOf(log, search);
  const auto own = std::find(parts.begin(), parts.end(), PlainPath(log));
  EarlierParts earlier;
  earlier.superseded = own != parts.end() && own + 1 != parts.end();
  for (auto part = parts.begin(); part != own; ++part) {
    if (search.known != nullptr && search.known->IsAtWork(*part)) {
      earlier.unfinished = *part;
      return earlier;
    }
    const UploadNotes notes(*part, NotesOf(search));
    const UploadState state = notes.Read(search.server);
    const bool done = !state.run.empty() && notes.IsMarked();
    // Of one that is done it counts what was sent: an older version stopped at damage.
    const Expected<std::map<std::string, uint64_t>> lines =
        done ? Expected<std::map<std::string, uint64_t>>(state.lines) : CountLines(*part);
    if (!lines) return Propagate(lines);
    if (!IsThere(notes, state, RowsIn(*lines))) {
      earlier.unfinished = *part;
      return earlier;
    }
    if (state.base) earlier.lines = *state.base;
    if (!state.sent.empty()) earlier.sent = state.sent;
    for (const auto& [stream, count] : *lines) earlier.lines[stream] += count;
  }
  return earlier;
}

std::string RowOfParts(const std::vector<fs::path>& parts, uint64_t row,
                       const PartsSearch& search) {
  uint64_t at = 0;
  std::optional<int64_t> next_step;
  for (const fs::path& part : parts) {
    const UploadState state = UploadNotes(part, NotesOf(search)).Read(search.server);
    if (state.base) at = RowsIn(*state.base);
    LogFollower follower(part, OnDamage::kSkip);
    SentRecords sent;
    std::string found;
    (void)follower.Read([&](const ParsedRecord& logged) {
      const ParsedRecord& record = sent.Of(logged);
      if (record.kind == ParsedRecord::Kind::kRun && record.run.resumed && !sent.next_step()) {
        // One without a note is sent as this part's upload will: behind the part before it.
        const bool is_sent = !state.lines.empty();
        if (const auto first = is_sent ? state.first_step : next_step; first) sent.CountOn(*first);
      }
      if (record.kind == ParsedRecord::Kind::kHistory && at++ == row) found = HistoryLine(record);
      return found.empty();
    });
    if (!found.empty()) return found;
    if (sent.next_step()) next_step = sent.next_step();
  }
  return "";
}

uint64_t RowsIn(const std::map<std::string, uint64_t>& lines) {
  const auto rows = lines.find(kHistoryStream);
  return rows == lines.end() ? 0 : rows->second;
}

}  // namespace flarebridge::wandb
