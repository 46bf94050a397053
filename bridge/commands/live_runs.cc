#include "bridge/commands/live_runs.h"

#include <set>
#include <tuple>
#include <utility>

#include "receivers/files/file_info.h"

namespace flarebridge {
namespace {

// What of a run is shown, but for its rows.
auto Shown(const RunSummary& run) {
  return std::tie(run.id, run.name, run.site, run.state, run.exit_code, run.rows, run.uploaded,
                  run.bad_bytes, run.started, run.written);
}

}  // namespace

LiveRuns::LiveRuns(std::string place, Curves curves)
    : place_(std::move(place)), curves_(std::move(curves)) {}

bool LiveRuns::Renew() {
  bool changed = FindThem();
  for (auto& [log, live] : runs_) changed = Read(live) || changed;
  if (changed) MakeList();
  return changed;
}

bool LiveRuns::FindThem() {
  const Expected<std::vector<FoundRun>> found = FindRuns(place_);
  std::set<std::filesystem::path> there;
  bool changed = false;
  for (const FoundRun& run : found ? *found : std::vector<FoundRun>()) {
    there.insert(run.log);
    const auto [at, is_new] = runs_.try_emplace(run.log);
    if (!is_new) continue;
    changed = true;
    at->second.found = run;
    at->second.run = std::make_shared<ListedRun>();
    at->second.run->place = curves_.AddRun();
    BeginAnew(at->second);
  }
  for (auto at = runs_.begin(); at != runs_.end();) {
    if (there.count(at->first) > 0) {
      ++at;
      continue;
    }
    curves_.Forget(at->second.run->place);
    at = runs_.erase(at);
    changed = true;
  }
  return changed;
}

void LiveRuns::BeginAnew(Live& live) {
  auto run = std::make_shared<ListedRun>();
  run->found = live.found;
  run->place = live.run->place;
  live.run = std::move(run);
  curves_.Forget(live.run->place);
  live.follower = live.found.reader->Follow(live.found.log);
}

bool LiveRuns::HasChangedFile(Live& live) {
  const Expected<FileInfo> info = InfoOf(live.found.log);
  if (!info) return false;
  const auto before = std::tie(live.seconds, live.nanoseconds, live.size);
  const auto now = std::tie(info->seconds, info->nanoseconds, info->size);
  if (before == now) return false;
  std::tie(live.seconds, live.nanoseconds, live.size) = now;
  return true;
}

bool LiveRuns::Read(Live& live) {
  const bool is_past = live.follower ? live.follower->IsPast() : HasChangedFile(live);
  if (is_past) BeginAnew(live);
  if (!live.follower && !is_past) return false;
  const RunSummary before = live.run->summary;
  const std::string error = live.error;
  ReadWhat(live);
  return is_past || Shown(before) != Shown(live.run->summary) || error != live.error;
}

void LiveRuns::ReadWhat(Live& live) {
  ListedRun& run = *live.run;
  const RowVisitor visit = [&](const Row& row) {
    run.ranges.Take(row);
    curves_.Take(run.place, row);
  };
  // Most calls bring nothing new, and a config may be long.
  const auto take = [&](const RunSummary& summary) {
    if (Shown(summary) == Shown(run.summary)) return;
    run.summary = summary;
    run.summary.config.clear();
    run.summary.summary.clear();
  };
  live.error.clear();
  if (live.follower) {
    const Expected<const RunSummary*> summary = live.follower->Read(visit);
    summary ? take(**summary) : void(live.error = summary.error().message);
  } else {
    const Expected<RunSummary> summary = live.found.reader->Read(live.found.log, visit);
    summary ? take(*summary) : void(live.error = summary.error().message);
  }
}

void LiveRuns::MakeList() {
  list_ = {};
  for (auto& [log, live] : runs_) {
    if (live.error.empty()) {
      list_.runs.push_back(live.run);
    } else {
      list_.errors.push_back({ErrorCode::kIo, live.error});
    }
  }
  NameAndSort(list_);
}

}  // namespace flarebridge
