#include "bridge/intake/commit_staging.h"

#include <algorithm>

namespace flarebridge {
namespace {

// A slice is one row of the journal and one frame to a worker.
constexpr size_t kSliceBytes = size_t{256} << 10;

double TimeOf(const Event& event) {
  return std::visit([](const auto& e) { return e.time; }, event);
}

}  // namespace

CommitStaging::StagedSession& CommitStaging::Staged(const std::string& id) {
  const auto [found, is_new] = sessions_.try_emplace(id);
  StagedSession& session = found->second;
  if (is_new) {
    session.id = &found->first;
    session.known = &known_.sessions.all().at(id);
    session.state = session.known->stored;
  }
  return session;
}

void CommitStaging::Add(const Sessions::Arrival& arrival) {
  const auto known = known_.sessions.all().find(arrival.session);
  if (known != known_.sessions.all().end() && known->second.waits) {
    staged_.waiting.insert(arrival.session);  // nothing has come to the disk since
    return;
  }
  StagedSession& session = Staged(arrival.session);
  SessionState& state = session.state;
  if (session.waits) return;
  if (!arrival.end_reason.empty()) {
    if (state.open) End(session, {arrival.end_time, 1, arrival.end_reason}, true);
    return;
  }
  if (session.held) return;
  std::string_view rest = arrival.body;
  const uint64_t end = arrival.first_seq + arrival.count;
  for (uint64_t seq = arrival.first_seq; seq < end; ++seq) {
    const DecodedEvent decoded = known_.decoder.Decode(rest);
    if (decoded.size == 0) {
      // Where the next event would begin can't be known.
      const uint64_t lost = end - std::max(seq, state.last_seq + 1);
      state.rejected += lost;
      Note(std::to_string(lost) + " events rejected: " + decoded.event.error().message);
      state.last_seq = end - 1;
      return;
    }
    const std::string_view bytes = rest.substr(0, decoded.size);
    rest.remove_prefix(decoded.size);
    if (seq <= state.last_seq) continue;  // sent again, stored before
    state.last_seq = seq;
    Expected<void> placed =
        decoded.event ? Place(session, *decoded.event, bytes) : Propagate(decoded.event);
    if (placed) continue;
    const ErrorCode code = placed.error().code;
    if (code == ErrorCode::kBusy || code == ErrorCode::kTemporary) {
      session.held = code == ErrorCode::kBusy;
      session.waits = code == ErrorCode::kTemporary;
      state.last_seq = seq - 1;
      return;
    }
    ++state.rejected;
    Note("event rejected: " + placed.error().message);
  }
}

void CommitStaging::Note(const std::string& reason) {
  constexpr size_t kMostNotices = 4;  // of one commit; the rest is in the count
  if (staged_.notices.size() < kMostNotices) staged_.notices.push_back(reason);
}

Expected<void> CommitStaging::Place(StagedSession& session, const Event& event,
                                    std::string_view bytes) {
  SessionState& state = session.state;
  if (const auto* opened = std::get_if<SessionOpened>(&event)) return Open(session, *opened, bytes);
  if (!state.opened) return Fail(ErrorCode::kMalformed, "the session has not been opened");
  if (const auto* ended = std::get_if<SessionEnded>(&event)) {
    End(session, *ended, false);
    return {};
  }
  if (!state.opened->Wants(event)) {
    ++staged_.filtered;
    DiscardBlobs(session, event);
    return {};
  }
  const Expected<std::vector<BlobRef>> blobs = TakeBlobs(session, event);
  if (!blobs) return Propagate(blobs);
  const Expected<int64_t> run = RunFor(session, event);
  if (!run) return Propagate(run);
  // A session that was given up and speaks again goes on.
  state.open = true;
  const JournalCommit::Slice& slice = Append(*run, bytes, std::holds_alternative<RunEnded>(event));
  for (const BlobRef& blob : *blobs)
    staged_.blobs.push_back({last_slices_.at(*run), slice.count - 1, std::string(blob.id)});
  return {};
}

Expected<std::vector<BlobRef>> CommitStaging::TakeBlobs(const StagedSession& session,
                                                        const Event& event) {
  const auto* data = std::get_if<Data>(&event);
  if (data == nullptr || !HasBlobs(*data)) return std::vector<BlobRef>();
  Expected<std::vector<BlobRef>> blobs = BlobsOf(*data);
  if (!blobs) return blobs;
  if (known_.blobs == nullptr || !session.known->client.empty())
    return Fail(ErrorCode::kForbidden, "large values are taken from this machine only");
  const int64_t run = known_.router.Find(session.state.scope, data->site).value_or(0);
  bool pending = false;
  for (const BlobRef& blob : *blobs) {
    const auto taken = known_.blobs->Take(*session.id, run, blob);
    if (!taken) {
      DiscardBlobs(session, event);
      // Whatever the system said, the event is not waited for.
      return Fail(ErrorCode::kIo, std::string(data->tag) + ": " + taken.error().message);
    }
    pending = pending || *taken == BlobKeeper::State::kPending;
  }
  if (pending) return Fail(ErrorCode::kTemporary, "a large value is on its way to the disk");
  return blobs;
}

void CommitStaging::DiscardBlobs(const StagedSession& session, const Event& event) {
  const auto* data = std::get_if<Data>(&event);
  if (data == nullptr || known_.blobs == nullptr) return;
  const auto blobs = BlobsOf(*data);
  if (!blobs) return;
  for (const BlobRef& blob : *blobs) known_.blobs->Discard(*session.id, blob.id);
}

Expected<void> CommitStaging::Open(StagedSession& session, const SessionOpened& event,
                                   std::string_view bytes) {
  SessionState& state = session.state;
  if (state.opened) return Fail(ErrorCode::kMalformed, "the session has been opened already");
  auto opened = OpenedSession::Make(event, bytes, session.known->client, known_.surroundings);
  if (!opened) return Propagate(opened);
  const OpenedSession& job = **opened;
  state.scope = known_.router.FindScope(job.owner(), job.job(), job.run_name(), job.side());
  state.opened = std::move(*opened);
  return {};
}

void CommitStaging::End(StagedSession& session, const SessionEnded& event, bool guessed) {
  session.state.open = false;
  std::set<int64_t> runs = session.known->runs;
  runs.insert(session.new_feeds.begin(), session.new_feeds.end());
  const bool secondary = session.state.opened && session.state.opened->secondary();
  for (const int64_t run : runs) {
    if (!secondary) staged_.said[run] = {event.exit_code, std::string(event.reason)};
    if (IsFedByOthers(run, *session.id) || HasEnded(run, !guessed)) continue;
    const SaidEnd end = EndOf(run, event);
    std::string bytes;
    EncodeEvent(RunEnded{event.time, RunOf(run).site, end.exit_code, end.reason}, bytes);
    Append(run, bytes, true).guessed = guessed;
  }
}

SaidEnd CommitStaging::EndOf(int64_t run, const SessionEnded& event) const {
  if (const auto staged = staged_.said.find(run); staged != staged_.said.end())
    return staged->second;
  return RunOf(run).said.value_or(SaidEnd{event.exit_code, std::string(event.reason)});
}

bool CommitStaging::IsFedByOthers(int64_t run, const std::string& session) const {
  const auto& all = known_.sessions.all();
  return std::any_of(all.begin(), all.end(), [&](const auto& entry) {
    const auto& [id, other] = entry;
    if (id == session || !other.runs.contains(run)) return false;
    const auto staged = sessions_.find(id);
    const SessionState& state = staged != sessions_.end() ? staged->second.state : other.stored;
    // A session that was never heard of since the start belongs to a process that is gone.
    return state.open && other.heard != Sessions::Time{};
  });
}

bool CommitStaging::HasEnded(int64_t run, bool truly) const {
  const auto staged = last_slices_.find(run);
  if (staged == last_slices_.end()) return RunOf(run).ended && !(truly && RunOf(run).guessed);
  const JournalCommit::Slice& slice = staged_.commit.slices[staged->second];
  return slice.ends && !(truly && slice.guessed);
}

const RoutedRun& CommitStaging::RunOf(int64_t run) const {
  return IsNewRun(run) ? staged_.new_runs[IndexOfNewRun(run)] : known_.runs.at(run);
}

Expected<int64_t> CommitStaging::RunFor(StagedSession& session, const Event& event) {
  std::optional<int64_t> run = known_.router.Find(session.state.scope, SiteOf(event));
  if (!run) {
    Expected<int64_t> made = MakeRun(session, event);
    if (!made) return made;
    run = *made;
  }
  if (!session.known->runs.contains(*run) && session.new_feeds.insert(*run).second)
    staged_.commit.feeds.push_back({*session.id, *run});
  return *run;
}

Expected<int64_t> CommitStaging::MakeRun(const StagedSession& session, const Event& event) {
  const SessionState& state = session.state;
  const std::string_view site = SiteOf(event);
  auto& sites = new_sites_[state.scope];
  if (const auto found = sites.find(site); found != sites.end()) return found->second;
  if (known_.runs.size() + staged_.new_runs.size() >= known_.limits.runs) {
    if (session.known->runs.size() + session.new_feeds.size() < known_.limits.runs)
      return Fail(ErrorCode::kBusy, "there is no room for another run");
    return Fail(ErrorCode::kTooLarge, "more than " + std::to_string(known_.limits.runs) +
                                          " sites; start the bridge with a larger --max-runs");
  }
  const int64_t run = NewRunAt(staged_.new_runs.size());
  sites.emplace(site, run);
  staged_.commit.new_runs.push_back({std::string(site), state.opened->stored(), TimeOf(event)});
  staged_.new_runs.push_back(
      {std::string(site), state.opened, state.scope, TimeOf(event), 0, false, false, 0});
  return run;
}

JournalCommit::Slice& CommitStaging::Append(int64_t run, std::string_view bytes, bool ends) {
  std::vector<JournalCommit::Slice>& slices = staged_.commit.slices;
  const auto [last, is_first] = last_slices_.try_emplace(run, slices.size());
  if (is_first || slices[last->second].body.size() + bytes.size() > kSliceBytes) {
    last->second = slices.size();
    slices.push_back({run, 0, false, {}});
  }
  JournalCommit::Slice& slice = slices[last->second];
  slice.body += bytes;
  ++slice.count;
  slice.ends = ends;
  slice.guessed = false;
  return slice;
}

void CommitStaging::DropWhatIsOver(const std::set<int64_t>& finished) {
  const auto& all = known_.sessions.all();
  for (const auto& [id, session] : all) {
    if (Sessions::IsOver(session)) staged_.commit.dropped_sessions.push_back(id);
  }
  for (const int64_t run : finished) {
    const auto found = known_.runs.find(run);
    if (found == known_.runs.end() || !found->second.ended || last_slices_.contains(run)) continue;
    const bool fed = std::any_of(all.begin(), all.end(), [&, run](const auto& entry) {
      return entry.second.runs.contains(run) && !Sessions::IsOver(entry.second);
    });
    if (!fed) staged_.commit.dropped_runs.push_back(run);
  }
}

StagedCommit CommitStaging::Finish() {
  for (auto& [id, session] : sessions_) {
    SessionState& state = session.state;
    if (state.open) state.closed_at = 0;
    if (!state.open && state.closed_at == 0) state.closed_at = static_cast<uint64_t>(known_.time);
    StoredSession stored{id, state.last_seq, state.rejected, state.open, {}, state.closed_at};
    // Once: it may be large, and does not change.
    if (state.opened && !session.known->stored.opened) stored.opened = state.opened->stored();
    staged_.commit.sessions.push_back(std::move(stored));
    if (session.held) staged_.held.push_back(id);
    if (session.waits) staged_.waiting.insert(id);
    staged_.sessions.emplace(id, std::move(session.state));
  }
  return std::move(staged_);
}

}  // namespace flarebridge
