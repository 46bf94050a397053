#include "bridge/intake/intake.h"

#include <algorithm>

namespace flarebridge {
namespace {

// A slice is one row of the journal and one frame to a worker.
constexpr size_t kSliceBytes = size_t{256} << 10;
constexpr uint32_t kHeartbeatMs = 1000;

double TimeOf(const Event& event) {
  return std::visit([](const auto& e) { return e.time; }, event);
}

}  // namespace

Expected<std::unique_ptr<Intake>> Intake::Load(Journal& journal, const Limits& limits) {
  std::unique_ptr<Intake> intake(new Intake(journal, limits));
  Expected<std::vector<StoredSession>> sessions = journal.Sessions();
  if (!sessions) return Propagate(sessions);
  for (const StoredSession& stored : *sessions) {
    Session session;
    session.stored = {stored.last_seq, stored.rejected, stored.open, nullptr};
    session.received_seq = stored.last_seq;
    if (!stored.opened.empty()) {
      auto opened = intake->ParseOpened(stored.opened);
      if (!opened) return Propagate(opened);
      session.stored.opened = *opened;
      session.client = (*opened)->spec.owner;
    }
    intake->sessions_.emplace(stored.id, std::move(session));
  }
  Expected<std::vector<StoredRun>> runs = journal.Runs();
  if (!runs) return Propagate(runs);
  for (const StoredRun& stored : *runs) {
    auto opened = intake->ParseOpened(stored.opened);
    if (!opened) return Propagate(opened);
    intake->router_.Add((*opened)->scope, stored.site, stored.id);
    intake->runs_[stored.id] =
        Run{stored.site, *opened, stored.started, stored.last_position, stored.ended};
  }
  auto feeds = journal.Feeds();
  if (!feeds) return Propagate(feeds);
  for (const auto& [session, run] : *feeds) intake->sessions_[session].runs.insert(run);
  return intake;
}

Expected<std::shared_ptr<const Intake::Opened>> Intake::ParseOpened(std::string_view bytes) {
  EventDecoder decoder;
  const DecodedEvent decoded = decoder.Decode(bytes);
  if (!decoded.event) return Propagate(decoded.event);
  const auto* event = std::get_if<SessionOpened>(&*decoded.event);
  if (event == nullptr) return Fail(ErrorCode::kMalformed, "not a session's opening");
  if (!event->folder.starts_with('/')) {
    return Fail(ErrorCode::kConfig, "the folder of the runs must be an absolute path");
  }
  auto opened = std::make_shared<Opened>();
  opened->bytes = bytes;
  RunSpec& spec = opened->spec;
  spec.journal = journal_.id();
  spec.job = event->job;
  spec.run_name = event->run_name;
  spec.side = event->side;
  spec.folder = event->folder;
  spec.owner = bytes.substr(decoded.size);
  spec.receivers = Document::Copy(event->receivers);
  if (!spec.owner.empty()) {
    // Somebody from elsewhere does not choose where this machine's files are written.
    spec.folder = limits_.clients_folder + "/" + spec.owner;
    bool chosen = false;
    spec.receivers.root().ForEachPair([&](std::string_view, Value arguments) {
      chosen = chosen || !arguments.Find("dir").value_or(Value()).IsNull();
    });
    if (chosen)
      return Fail(ErrorCode::kConfig,
                  "a client that connects over tcp can't choose the runs' "
                  "folder (dir): they are in the bridge's state folder");
  }
  opened->scope = router_.FindScope(spec.owner, event->job, event->run_name, event->side);
  std::optional<Error> wrong;
  spec.receivers.root().ForEachPair([&](std::string_view name, Value arguments) {
    Expected<Filter> filter = Filter::Parse(name, arguments);
    if (filter) {
      opened->filters.push_back(std::move(*filter));
    } else {
      wrong = filter.error();
    }
  });
  if (wrong) return tl::unexpected<Error>(*wrong);
  return opened;
}

Intake::RunInfo Intake::InfoOf(int64_t id, const Run& run) const {
  RunInfo info;
  info.id = id;
  info.spec = run.opened->spec;
  info.spec.site = run.site;
  info.spec.started = run.started;
  info.last_position = run.last_position;
  info.ended = run.ended;
  return info;
}

std::vector<Intake::RunInfo> Intake::KnownRuns() const {
  std::vector<RunInfo> known;
  for (const auto& [id, run] : runs_) known.push_back(InfoOf(id, run));
  return known;
}

// --- what shims say ---

Expected<Welcome> Intake::Hello(const flarebridge::Hello& hello, const std::string& client,
                                Time now) {
  if (hello.version != kWireVersion) {
    return Fail(ErrorCode::kUnsupported,
                "this bridge speaks version " + std::to_string(kWireVersion) +
                    " of the wire format, the client version " + std::to_string(hello.version) +
                    "; install the same release of flarebridge on both sides");
  }
  if (sessions_.size() >= limits_.sessions && !sessions_.contains(hello.session)) {
    return Fail(ErrorCode::kTooLarge, "this bridge serves no more sessions");
  }
  const auto known = sessions_.find(hello.session);
  if (known != sessions_.end() && known->second.client != client)
    return Fail(ErrorCode::kForbidden, "this session belongs to another client");
  Session& session = sessions_[hello.session];
  session.client = client;
  session.heard = now;
  session.bye = false;
  Welcome welcome;
  welcome.version = kWireVersion;
  welcome.bridge = std::string("flarebridge ") + FLAREBRIDGE_VERSION;
  welcome.acked_seq = session.stored.last_seq;
  welcome.credit_bytes = Credit();
  welcome.heartbeat_ms = kHeartbeatMs;
  return welcome;
}

std::optional<Refusal> Intake::Take(const std::string& id, const Batch& batch, Time now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return Refusal{RefusalCode::kUnknownSession, "say hello first"};
  Session& session = found->second;
  session.heard = now;
  if (batch.first_seq > session.received_seq + 1) {
    return Refusal{RefusalCode::kGap, "expected event " + std::to_string(session.received_seq + 1) +
                                          ", got " + std::to_string(batch.first_seq)};
  }
  const uint64_t last = batch.first_seq + batch.count - 1;
  if (last <= session.received_seq) return std::nullopt;  // all of it is here already
  session.received_seq = last;
  inbox_.push_back({id, batch.first_seq, batch.count, std::string(batch.body)});
  waiting_bytes_ += batch.body.size();
  return std::nullopt;
}

uint64_t Intake::Credit() const {
  if (blocked_ || IsFull()) return 0;
  const uint64_t share = limits_.total_credit / std::max<uint64_t>(1, sessions_.size());
  // Never less than one largest event, or a session would wait for ever.
  return std::max<uint64_t>(std::min(limits_.session_credit, share), kMaxEventBytes);
}

Ack Intake::AckOf(const std::string& id) const {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return {0, Credit(), 0};
  return {found->second.stored.last_seq, Credit(), found->second.stored.rejected};
}

void Intake::Heard(const std::string& id, Time now) {
  if (const auto found = sessions_.find(id); found != sessions_.end()) found->second.heard = now;
}

void Intake::Bye(const std::string& id) {
  if (const auto found = sessions_.find(id); found != sessions_.end()) found->second.bye = true;
}

// --- making it durable ---

bool Intake::HasWork() const { return !forget_.empty() || (!inbox_.empty() && !IsFull()); }

Expected<Intake::Committed> Intake::Commit() {
  Committed committed;
  journal_.Begin();
  for (const auto& [run, position] : forget_) journal_.Forget(run, position);
  const bool full = IsFull();
  if (!full) {
    for (const Waiting& waiting : inbox_) StageWaiting(waiting);
  }
  committed.slices = StoreStage();
  StageDrops(committed);
  if (Expected<void> stored = journal_.Commit(); !stored) {
    Unstage();
    blocked_ = true;
    return Propagate(stored);
  }
  blocked_ = false;
  forget_.clear();
  if (!full) {
    inbox_.clear();
    waiting_bytes_ = 0;
  }
  for (const std::string& id : stage_.sessions) {
    Session& session = sessions_[id];
    session.stored = std::move(*session.staged);
    session.staged.reset();
    committed.sessions.push_back(id);
  }
  for (auto& [id, run] : stage_.new_runs) {
    committed.new_runs.push_back(InfoOf(id, run));
    runs_[id] = std::move(run);
  }
  for (const auto& [session, run] : stage_.new_feeds) sessions_[session].runs.insert(run);
  for (const Slice& slice : committed.slices) {
    Run& run = runs_[slice.run];
    run.last_position = slice.first_position + slice.count - 1;
    run.ended = slice.ends;
    finished_.erase(slice.run);  // it went on: its worker has to finish once more
  }
  Drop(committed.dropped_runs);
  filtered_ += stage_.filtered;
  committed.notices = std::move(stage_.notices);
  stage_ = Stage();
  return committed;
}

bool Intake::IsOver(const std::string& id, const Session& session) const {
  return session.bye && !session.stored.open && !stage_.sessions.contains(id);
}

void Intake::StageDrops(Committed& committed) {
  for (const auto& [id, session] : sessions_) {
    if (!IsOver(id, session)) continue;
    journal_.DropSession(id);
    stage_.dropped_sessions.push_back(id);
  }
  for (const int64_t run : finished_) {
    const auto found = runs_.find(run);
    if (found == runs_.end() || !found->second.ended || stage_.slices.contains(run)) continue;
    const bool fed = std::any_of(sessions_.begin(), sessions_.end(), [&, run](const auto& entry) {
      return entry.second.runs.contains(run) && !IsOver(entry.first, entry.second);
    });
    if (fed) continue;
    journal_.DropRun(run);
    committed.dropped_runs.push_back(run);
  }
}

void Intake::Drop(const std::vector<int64_t>& runs) {
  for (const std::string& id : stage_.dropped_sessions) sessions_.erase(id);
  for (const int64_t run : runs) {
    router_.Remove(runs_.at(run).opened->scope, runs_.at(run).site);
    runs_.erase(run);
    finished_.erase(run);
    forget_.erase(run);
  }
}

std::vector<Intake::Slice> Intake::StoreStage() {
  std::vector<Slice> slices;
  for (auto& [id, news] : stage_.slices) {
    StoredRun stored;
    stored.id = id;
    for (Stage::NewSlice& slice : news) {
      const uint64_t first = journal_.Append(id, slice.count, slice.body, slice.ends);
      stored.last_position = first + slice.count - 1;
      stored.ended = slice.ends;
      slices.push_back({id, first, slice.count, slice.ends, std::move(slice.body)});
    }
    journal_.PutRun(stored);
  }
  for (const auto& [session, run] : stage_.new_feeds) journal_.PutFeed(session, run);
  for (const std::string& id : stage_.sessions) {
    const SessionState& state = *sessions_[id].staged;
    StoredSession stored{id, state.last_seq, state.rejected, state.open, {}};
    if (state.opened) stored.opened = state.opened->bytes;
    journal_.PutSession(stored);
  }
  return slices;
}

void Intake::Unstage() {
  for (const std::string& id : stage_.sessions) sessions_[id].staged.reset();
  for (const auto& [id, run] : stage_.new_runs) router_.Remove(run.opened->scope, run.site);
  stage_ = Stage();
}

Intake::SessionState& Intake::StagedStateOf(const std::string& id) {
  Session& session = sessions_[id];
  if (!session.staged) {
    session.staged = session.stored;
    stage_.sessions.insert(id);
  }
  return *session.staged;
}

void Intake::StageWaiting(const Waiting& waiting) {
  SessionState& state = StagedStateOf(waiting.session);
  if (!waiting.end_reason.empty()) {
    if (state.open) PlaceEnded(waiting.session, {waiting.end_time, 1, waiting.end_reason});
    return;
  }
  std::string_view rest = waiting.body;
  const uint64_t end = waiting.first_seq + waiting.count;
  for (uint64_t seq = waiting.first_seq; seq < end; ++seq) {
    const DecodedEvent decoded = decoder_.Decode(rest);
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
        decoded.event ? Place(waiting.session, *decoded.event, bytes) : Propagate(decoded.event);
    if (placed) continue;
    ++state.rejected;
    Note("event rejected: " + placed.error().message);
  }
}

void Intake::Note(const std::string& reason) {
  constexpr size_t kMostNotices = 4;  // of one commit; the rest is in the count
  if (stage_.notices.size() < kMostNotices) stage_.notices.push_back(reason);
}

Expected<void> Intake::Place(const std::string& session, const Event& event,
                             std::string_view bytes) {
  SessionState& state = StagedStateOf(session);
  if (std::holds_alternative<SessionOpened>(event)) return PlaceOpened(session, bytes);
  if (!state.opened) return Fail(ErrorCode::kMalformed, "the session has not been opened");
  if (const auto* ended = std::get_if<SessionEnded>(&event)) {
    PlaceEnded(session, *ended);
    return {};
  }
  const std::vector<Filter>& filters = state.opened->filters;
  if (std::none_of(filters.begin(), filters.end(),
                   [&](const Filter& f) { return f.Wants(event); })) {
    ++stage_.filtered;
    return {};
  }
  const Expected<int64_t> run = EnsureRun(session, event);
  if (!run) return Propagate(run);
  // A session that was given up and speaks again goes on.
  state.open = true;
  AppendTo(*run, bytes, std::holds_alternative<RunEnded>(event));
  return {};
}

Expected<void> Intake::PlaceOpened(const std::string& session, std::string_view bytes) {
  SessionState& state = StagedStateOf(session);
  if (state.opened) return Fail(ErrorCode::kMalformed, "the session has been opened already");
  auto opened = ParseOpened(std::string(bytes) + sessions_[session].client);
  if (!opened) return Propagate(opened);
  state.opened = *opened;
  return {};
}

void Intake::PlaceEnded(const std::string& session, const SessionEnded& event) {
  StagedStateOf(session).open = false;
  std::set<int64_t> runs = sessions_[session].runs;
  for (const auto& [feeder, run] : stage_.new_feeds) {
    if (feeder == session) runs.insert(run);
  }
  for (const int64_t run : runs) {
    const bool fed_by_others =
        std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& other) {
          const SessionState& state =
              other.second.staged ? *other.second.staged : other.second.stored;
          // A session that was never heard of since the start belongs to a process that is gone.
          const bool lives = state.open && other.second.heard != Time{};
          return other.first != session && lives && other.second.runs.contains(run);
        });
    if (fed_by_others) continue;
    const auto staged = stage_.slices.find(run);
    const bool ended =
        staged == stage_.slices.end() ? RunOf(run).ended : staged->second.back().ends;
    if (ended) continue;
    std::string bytes;
    EncodeEvent(RunEnded{event.time, RunOf(run).site, event.exit_code, event.reason}, bytes);
    AppendTo(run, bytes, true);
  }
}

const Intake::Run& Intake::RunOf(int64_t id) const {
  const auto staged = stage_.new_runs.find(id);
  return staged != stage_.new_runs.end() ? staged->second : runs_.at(id);
}

Expected<int64_t> Intake::EnsureRun(const std::string& id, const Event& event) {
  Session& session = sessions_[id];
  const std::shared_ptr<const Opened>& opened = session.staged->opened;
  const std::string_view site = SiteOf(event);
  std::optional<int64_t> run = router_.Find(opened->scope, site);
  if (!run) {
    if (runs_.size() + stage_.new_runs.size() >= limits_.runs) {
      return Fail(ErrorCode::kTooLarge, "more than " + std::to_string(limits_.runs) +
                                            " sites; start the bridge with a larger --max-runs");
    }
    StoredRun stored;
    stored.site = site;
    stored.opened = opened->bytes;
    stored.started = TimeOf(event);
    run = journal_.PutRun(stored);
    router_.Add(opened->scope, site, *run);
    stage_.new_runs[*run] = Run{stored.site, opened, stored.started, 0, false};
  }
  if (session.runs.contains(*run)) return *run;
  const std::pair<std::string, int64_t> feed{id, *run};
  auto& feeds = stage_.new_feeds;
  if (std::find(feeds.begin(), feeds.end(), feed) == feeds.end()) feeds.push_back(feed);
  return *run;
}

void Intake::AppendTo(int64_t run, std::string_view bytes, bool ends) {
  std::vector<Stage::NewSlice>& slices = stage_.slices[run];
  if (slices.empty() || slices.back().body.size() + bytes.size() > kSliceBytes)
    slices.emplace_back();
  Stage::NewSlice& slice = slices.back();
  slice.body += bytes;
  ++slice.count;
  slice.ends = ends;
}

void Intake::Forget(int64_t run, uint64_t position) { forget_[run] = position; }

// --- sessions' ends ---

void Intake::EndLost(const std::vector<std::string>& sessions, const std::string& reason,
                     double time) {
  for (const std::string& id : sessions) inbox_.push_back({id, 0, 0, {}, reason, time});
}

std::vector<std::string> Intake::SilentSince(Time since) const {
  std::vector<std::string> silent;
  for (const auto& [id, session] : sessions_) {
    const bool waiting = std::any_of(inbox_.begin(), inbox_.end(),
                                     [&, &id = id](const Waiting& w) { return w.session == id; });
    if (session.stored.open && session.stored.opened && session.heard <= since && !waiting)
      silent.push_back(id);
  }
  return silent;
}

bool Intake::AnyAlive(Time since) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    const Session& session = entry.second;
    if (session.bye) return false;
    return session.stored.open || session.heard > since;
  });
}

bool Intake::AllEnded() const {
  return inbox_.empty() && std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
           return !entry.second.stored.open || !entry.second.stored.opened;
         });
}

std::vector<std::string> Intake::SessionsOf(int64_t run) const {
  std::vector<std::string> ids;
  for (const auto& [id, session] : sessions_) {
    if (session.runs.contains(run)) ids.push_back(id);
  }
  return ids;
}

}  // namespace flarebridge
