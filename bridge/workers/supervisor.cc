#include "bridge/workers/supervisor.h"

#include <algorithm>

namespace flarebridge {
namespace {

// How often a crowded journal is looked at.
constexpr std::chrono::seconds kRoomInterval{1};

}  // namespace

Supervisor::Supervisor(Journal& journal, Quarantine quarantine, Callbacks callbacks, Seams seams,
                       const Limits& limits)
    : shared_{journal,
              std::move(quarantine),
              std::move(callbacks),
              std::move(seams.spawn),
              std::move(seams.now),
              limits} {}

void Supervisor::Add(const Intake::RunInfo& info, std::optional<uint64_t> stored, Time now) {
  auto& run = runs_[info.id];
  run = std::make_unique<RunFeed>(shared_, info, stored);
  run->Start(now);
}

void Supervisor::Offer(const Intake::Slice& slice, Time now) {
  runs_.at(slice.run)->Offer(slice, now);
}

void Supervisor::Remove(int64_t run) { runs_.erase(run); }

bool Supervisor::AllDone() const {
  return std::all_of(runs_.begin(), runs_.end(),
                     [](const auto& entry) { return entry.second->IsDone(); });
}

bool Supervisor::NothingMoves() const {
  return std::all_of(runs_.begin(), runs_.end(),
                     [](const auto& entry) { return entry.second->IsStuckOrDone(); });
}

std::vector<std::string> Supervisor::Undone() const {
  std::vector<std::string> undone;
  for (const auto& [id, run] : runs_) {
    if (!run->HasAll()) undone.push_back(run->Describe());
  }
  return undone;
}

std::set<std::string> Supervisor::Remedies() const {
  std::set<std::string> remedies;
  for (const auto& [id, run] : runs_) remedies.insert(run->Remedy());
  remedies.erase("");
  return remedies;
}

size_t Supervisor::workers() const {
  return static_cast<size_t>(std::count_if(
      runs_.begin(), runs_.end(), [](const auto& entry) { return entry.second->has_worker(); }));
}

void Supervisor::StopAll(Time now) {
  shared_.stopping = true;
  for (auto& [id, run] : runs_) run->Stop(now);
}

void Supervisor::OnTimer(Time now) {
  uint64_t backlog = 0;
  RunFeed* largest = nullptr;
  for (auto& [id, run] : runs_) {
    run->OnTimer(now);
    const uint64_t bytes = run->BacklogBytes();
    backlog += bytes;
    if (bytes > 0 && (largest == nullptr || bytes > largest->BacklogBytes())) largest = run.get();
  }
  if (IsCrowded() && now - room_looked_at_ >= kRoomInterval) MakeRoom(now);
  if (backlog > shared_.limits.backlog_bytes && largest != nullptr) largest->GiveUpLargest();
}

std::optional<Supervisor::Time> Supervisor::NextTimer() const {
  std::optional<Time> next;
  for (const auto& [id, run] : runs_) {
    const std::optional<Time> timer = run->NextTimer();
    if (timer && (!next || *timer < *next)) next = timer;
  }
  const Time look = room_looked_at_ + kRoomInterval;
  if (IsCrowded() && (!next || look < *next)) next = look;
  return next;
}

bool Supervisor::IsCrowded() const {
  return !shared_.stopping && shared_.journal.stored_bytes() > shared_.limits.crowded_bytes;
}

void Supervisor::MakeRoom(Time now) {
  room_looked_at_ = now;
  RunFeed* largest = nullptr;
  uint64_t most = 0;
  for (auto& [id, run] : runs_) {
    if (run->IsSettingAside()) return;  // that may be enough
    if (!run->IsStuck(now)) continue;
    const uint64_t bytes = run->JournalBytes();
    if (bytes > most) {
      largest = run.get();
      most = bytes;
    }
  }
  if (largest != nullptr) largest->GiveUpStuck(now);
}

}  // namespace flarebridge
