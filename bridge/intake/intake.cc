#include "bridge/intake/intake.h"

#include <algorithm>

namespace flarebridge {
namespace {

// Whatever the clock says of the time before the start, a session may come back for this long.
constexpr std::chrono::seconds kReturn{60};

Intake::RunInfo InfoOf(int64_t id, const RoutedRun& run) {
  return {id, run.opened->SpecOf(run.site, run.started), run.last_position, run.ended};
}

}  // namespace

Expected<std::unique_ptr<Intake>> Intake::Load(CommitLog& log, const Limits& limits,
                                               const Start& start, BlobKeeper* blobs) {
  std::unique_ptr<Intake> intake(new Intake(log, limits, blobs));
  if (Expected<void> restored = intake->RestoreSessions(start); !restored)
    return Propagate(restored);
  if (Expected<void> restored = intake->RestoreRuns(); !restored) return Propagate(restored);
  const Expected<std::vector<StoredFeed>> feeds = log.Feeds();
  if (!feeds) return Propagate(feeds);
  for (const StoredFeed& feed : *feeds) intake->sessions_.Feeds(feed.session, feed.run);
  return intake;
}

Intake::Time Intake::HeardOf(const StoredSession& session, const Start& start) const {
  const auto at = static_cast<double>(session.closed_at);
  const bool counts = !session.open && session.closed_at > 0 && limits_.forget_after;
  if (!counts || start.now == Time{} || start.time <= at) return start.now;
  const std::chrono::seconds most =
      *limits_.forget_after - std::min(kReturn, *limits_.forget_after);
  const auto silent = std::min(start.time - at, static_cast<double>(most.count()));
  return start.now - std::chrono::seconds(static_cast<int64_t>(silent));
}

Expected<void> Intake::RestoreSessions(const Start& start) {
  const Expected<std::vector<StoredSession>> sessions = log_.Sessions();
  if (!sessions) return Propagate(sessions);
  for (const StoredSession& stored : *sessions) {
    SessionState state{stored.last_seq, stored.rejected, stored.open, nullptr, 0, stored.closed_at};
    if (!stored.opened.empty()) {
      auto opened = OpenedSession::Restore(stored.opened, surroundings_);
      if (!opened) return Propagate(opened);
      state.scope = ScopeOf(**opened);
      state.opened = std::move(*opened);
    }
    sessions_.Restore(stored.id, std::move(state), HeardOf(stored, start));
  }
  return {};
}

Expected<void> Intake::RestoreRuns() {
  const Expected<std::vector<StoredRun>> runs = log_.Runs();
  if (!runs) return Propagate(runs);
  for (const StoredRun& stored : *runs) {
    auto opened = OpenedSession::Restore(stored.opened, surroundings_);
    if (!opened) return Propagate(opened);
    const Router::Scope scope = ScopeOf(**opened);
    router_.Add(scope, stored.site, stored.id);
    runs_[stored.id] = {stored.site,    std::move(*opened),   scope,
                        stored.started, stored.last_position, stored.ended,
                        stored.guessed, stored.stored_bytes};
    stored_[runs_[stored.id].opened->party()] += stored.stored_bytes;
  }
  return {};
}

Expected<size_t> Intake::ChangeArguments(const Changes& changes) {
  JournalCommit commit;
  std::map<std::string, SessionState> sessions;
  std::map<int64_t, std::shared_ptr<const OpenedSession>> runs;
  for (const auto& [id, session] : sessions_.all()) {
    SessionState state = session.stored;
    if (!state.opened) continue;
    auto changed = OpenedSession::Changed(state.opened, changes, surroundings_);
    if (!changed) return Propagate(changed);
    if (*changed == state.opened) continue;
    state.opened = std::move(*changed);
    commit.sessions.push_back(
        {id, state.last_seq, state.rejected, state.open, state.opened->stored(), state.closed_at});
    sessions.emplace(id, std::move(state));
  }
  for (const auto& [id, run] : runs_) {
    auto changed = OpenedSession::Changed(run.opened, changes, surroundings_);
    if (!changed) return Propagate(changed);
    if (*changed == run.opened) continue;
    commit.reopened.push_back({id, {run.site, (*changed)->stored(), run.started}});
    runs.emplace(id, std::move(*changed));
  }
  if (runs.empty())
    return Fail(ErrorCode::kConfig, "there is no run here with a receiver " + changes.Receivers());
  const Expected<CommitResult> done = log_.Commit(commit);
  if (!done) return Propagate(done);
  for (auto& [id, state] : sessions) sessions_.Stored(id, std::move(state));
  for (auto& [id, opened] : runs) runs_.at(id).opened = std::move(opened);
  return runs.size();
}

Router::Scope Intake::ScopeOf(const OpenedSession& opened) {
  return router_.FindScope(opened.owner(), opened.job(), opened.run_name(), opened.side());
}

std::vector<Intake::RunInfo> Intake::KnownRuns() const {
  std::vector<RunInfo> known;
  for (const auto& [id, run] : runs_) known.push_back(InfoOf(id, run));
  return known;
}

void Intake::HasUnwritten(int64_t run, uint64_t first_position) {
  const uint64_t last = runs_.at(run).last_position;
  unwritten_.Stored(run, last, last - first_position + 1);
}

bool Intake::HasRoom(const std::string& session) const {
  if (blocked_ || IsFull()) return false;
  if (!limits_.shares) return true;
  const auto found = sessions_.all().find(session);
  const bool opened = found != sessions_.all().end() && found->second.stored.opened;
  return !opened || HasShare(*found->second.stored.opened);
}

bool Intake::HasShare(const OpenedSession& opened) const {
  const auto found = stored_.find(opened.party());
  const uint64_t bytes = found == stored_.end() ? 0 : found->second;
  const uint64_t all = log_.stored_bytes();
  return all <= limits_.journal_bytes && bytes <= limits_.journal_bytes - all;
}

std::string Intake::FillsMost() const {
  const auto most =
      std::max_element(runs_.begin(), runs_.end(), [](const auto& one, const auto& other) {
        return one.second.stored_bytes < other.second.stored_bytes;
      });
  if (most == runs_.end()) return "no run";
  const RoutedRun& run = most->second;
  const std::string& owner = run.opened->owner();
  return "the run of " + run.site + " of job " + run.opened->job() +
         (owner.empty() ? "" : " of client " + owner) + " (" +
         std::to_string(run.stored_bytes >> 10) + " KiB)";
}

Ack Intake::AckOf(const std::string& session) {
  Ack ack = sessions_.AckOf(session, HasRoom(session));
  const auto found = sessions_.all().find(session);
  // While it goes on nobody asks, and a session may feed a thousand runs.
  if (found != sessions_.all().end() && !found->second.stored.open)
    ack.unwritten = unwritten_.Of(found->second.runs);
  return ack;
}

std::set<std::string> Intake::SessionIds() const {
  std::set<std::string> ids;
  for (const auto& [id, session] : sessions_.all()) ids.insert(id);
  return ids;
}

std::vector<std::string> Intake::LeaveForSilent(Time now, std::chrono::seconds unopened) {
  if (!limits_.forget_after) return {};
  return sessions_.LeaveForSilent(now - *limits_.forget_after, now - unopened);
}

Expected<Intake::Committed> Intake::Commit(double time) {
  Expected<Committed> committed = Store(time);
  blocked_ = !committed.has_value();
  return committed;
}

Expected<Intake::Committed> Intake::Store(double time) {
  if (Expected<void> made = MakeRoom(); !made) return Propagate(made);
  CommitStaging staging(
      {sessions_, runs_, router_, decoder_, limits_, surroundings_, time, blobs_});
  for (const auto& [run, position] : forget_) staging.Forget(run, position);
  const bool full = IsFull();
  if (!full) {
    for (const Sessions::Arrival& arrival : sessions_.arrivals()) staging.Add(arrival);
  }
  staging.DropWhatIsOver(finished_);
  StagedCommit staged = staging.Finish();
  const Expected<CommitResult> result = log_.Commit(staged.commit);
  if (!result) return Propagate(result);
  CountForgotten(staged.commit, *result);
  forget_.clear();
  if (!full) sessions_.ClearArrivals(staged.waiting);
  return Apply(std::move(staged), *result);
}

Expected<void> Intake::MakeRoom() {
  if (!IsFull() || forget_.empty()) return {};
  JournalCommit commit;
  for (const auto& [run, position] : forget_) commit.forgotten.push_back({run, position});
  const Expected<CommitResult> done = log_.Commit(commit);
  if (!done) return Propagate(done);
  CountForgotten(commit, *done);
  forget_.clear();
  return {};
}

void Intake::CountForgotten(const JournalCommit& commit, const CommitResult& result) {
  for (size_t i = 0; i < commit.forgotten.size(); ++i) {
    const auto run = runs_.find(commit.forgotten[i].run);
    if (run == runs_.end()) continue;
    run->second.stored_bytes -= result.forgotten_bytes[i];
    stored_[run->second.opened->party()] -= result.forgotten_bytes[i];
  }
  if (blobs_ == nullptr) return;
  for (const auto& [run, position] : commit.forgotten) blobs_->Forget(run, position);
}

Intake::Committed Intake::Apply(StagedCommit staged, const CommitResult& result) {
  Committed committed;
  const auto id_of = [&result](int64_t run) {
    return IsNewRun(run) ? result.runs[IndexOfNewRun(run)] : run;
  };
  for (size_t i = 0; i < staged.new_runs.size(); ++i) {
    const int64_t id = result.runs[i];
    RoutedRun& run = staged.new_runs[i];
    committed.new_runs.push_back(InfoOf(id, run));
    router_.Add(run.scope, run.site, id);
    runs_[id] = std::move(run);
  }
  for (auto& [id, state] : staged.sessions) {
    sessions_.Stored(id, std::move(state));
    committed.sessions.push_back(id);
  }
  for (const StoredFeed& feed : staged.commit.feeds) sessions_.Feeds(feed.session, id_of(feed.run));
  for (size_t i = 0; i < staged.commit.slices.size(); ++i) {
    JournalCommit::Slice& slice = staged.commit.slices[i];
    const int64_t id = id_of(slice.run);
    const uint64_t first = result.first_positions[i];
    RoutedRun& run = runs_[id];
    run.last_position = first + slice.count - 1;
    unwritten_.Stored(id, run.last_position, slice.count);
    run.ended = slice.ends;
    run.guessed = slice.guessed;
    run.stored_bytes += slice.body.size();
    stored_[run.opened->party()] += slice.body.size();
    finished_.erase(id);  // it went on: its worker has to finish once more
    committed.slices.push_back({id, first, slice.count, slice.ends, std::move(slice.body)});
  }
  for (auto& [run, end] : staged.said) runs_[id_of(run)].said = std::move(end);
  for (const StagedBlob& blob : staged.blobs) {
    const Slice& slice = committed.slices[blob.slice];
    blobs_->Name(slice.run, slice.first_position + blob.offset, blob.id);
  }
  Drop(staged.commit);
  for (const std::string& session : staged.held) sessions_.Hold(session);
  committed.held = std::move(staged.held);
  filtered_ += staged.filtered;
  committed.dropped_sessions = std::move(staged.commit.dropped_sessions);
  committed.dropped_runs = std::move(staged.commit.dropped_runs);
  committed.notices = std::move(staged.notices);
  for (const std::string& id : committed.sessions) {
    const auto& opened = sessions_.all().at(id).stored.opened;
    if (limits_.shares && opened && !HasShare(*opened))
      committed.notices.push_back("no more events are taken of " + opened->party() +
                                  " for now: those not delivered are its share of the journal");
  }
  return committed;
}

void Intake::Drop(const JournalCommit& commit) {
  for (const std::string& id : commit.dropped_sessions) sessions_.Erase(id);
  for (const int64_t id : commit.dropped_runs) {
    router_.Remove(runs_.at(id).scope, runs_.at(id).site);
    if (blobs_ != nullptr) blobs_->Forget(id, UINT64_MAX);
    runs_.erase(id);
    unwritten_.Drop(id);
    finished_.erase(id);
  }
  if (commit.dropped_sessions.empty() && commit.dropped_runs.empty()) return;
  if (!commit.dropped_runs.empty()) sessions_.ReleaseHeld();
  // What nobody is left for takes no memory.
  std::set<Router::Scope> scopes;
  for (const auto& [id, session] : sessions_.all())
    if (session.stored.opened) scopes.insert(session.stored.scope);
  for (const auto& [id, run] : runs_) scopes.insert(run.scope);
  router_.KeepOnly(scopes);
  std::erase_if(stored_, [](const auto& party) { return party.second == 0; });
}

}  // namespace flarebridge
