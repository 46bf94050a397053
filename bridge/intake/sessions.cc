#include "bridge/intake/sessions.h"

#include <algorithm>

#include "events/event_codec.h"

namespace flarebridge {
namespace {

constexpr uint32_t kHeartbeatMs = 1000;

}  // namespace

// --- what shims say ---

Expected<Welcome> Sessions::Hello(const flarebridge::Hello& hello, const std::string& client,
                                  bool room, Time now) {
  if (hello.version != kWireVersion) {
    return Fail(ErrorCode::kUnsupported,
                "this bridge speaks version " + std::to_string(kWireVersion) +
                    " of the wire format, the client version " + std::to_string(hello.version) +
                    "; install the same release of flarebridge on both sides");
  }
  const auto known = sessions_.find(hello.session);
  if (known == sessions_.end() && sessions_.size() >= limits_.sessions)
    return Fail(ErrorCode::kTooLarge, "this bridge serves no more sessions for now");
  if (known != sessions_.end() && known->second.client != client)
    return Fail(ErrorCode::kForbidden, "this session belongs to another client");
  Session& session = sessions_[hello.session];
  session.client = client;
  session.heard = now;
  session.bye = session.left = false;
  Welcome welcome;
  welcome.version = kWireVersion;
  welcome.bridge = std::string("flarebridge ") + FLAREBRIDGE_VERSION;
  welcome.acked_seq = session.stored.last_seq;
  welcome.credit_bytes = Tell(session, room);
  welcome.heartbeat_ms = kHeartbeatMs;
  return welcome;
}

std::optional<Refusal> Sessions::Take(const std::string& id, const Batch& batch, Time now,
                                      bool room) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return Refusal{RefusalCode::kUnknownSession, "say hello first"};
  Session& session = found->second;
  session.heard = now;
  session.left = false;
  if (batch.first_seq > session.received_seq + 1) {
    return Refusal{RefusalCode::kGap, "expected event " + std::to_string(session.received_seq + 1) +
                                          ", got " + std::to_string(batch.first_seq)};
  }
  const uint64_t last = batch.first_seq + batch.count - 1;
  if (last <= session.received_seq) return std::nullopt;  // all of it is here already
  const uint64_t credit = std::max(session.credit, session.credit_before);
  if (session.waiting_bytes + batch.body.size() > credit + kMaxBatchBytes)
    return Refusal{RefusalCode::kGap, "more than the credit that was given"};
  // A batch may have been on its way; more is not kept in memory, so that others are still heard.
  if ((!room || session.held) && waiting_bytes_ + batch.body.size() > kMaxBatchBytes)
    return Refusal{RefusalCode::kGap, "there is no room for now"};
  session.received_seq = last;
  ++session.waiting;
  session.waiting_bytes += batch.body.size();
  arrivals_.push_back({id, batch.first_seq, batch.count, std::string(batch.body)});
  if (!session.waits) waiting_bytes_ += batch.body.size();
  return std::nullopt;
}

uint64_t Sessions::Credit(bool room) const {
  if (!room) return 0;
  const uint64_t share = limits_.total_credit / std::max<uint64_t>(1, sessions_.size());
  // However little it is, one batch may follow it, so that nobody waits for ever.
  return std::max<uint64_t>(std::min(limits_.session_credit, share), 1);
}

uint64_t Sessions::Tell(Session& session, bool room) const {
  session.credit_before = session.credit;
  session.credit = Credit(room && !session.held);
  return session.credit;
}

Ack Sessions::AckOf(const std::string& id, bool room) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return {0, 0, 0};
  Session& session = found->second;
  return {session.stored.last_seq, Tell(session, room), session.stored.rejected};
}

void Sessions::Heard(const std::string& id, Time now) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  found->second.heard = now;
  found->second.left = false;
}

void Sessions::Bye(const std::string& id) {
  if (const auto found = sessions_.find(id); found != sessions_.end()) found->second.bye = true;
}

void Sessions::EndLost(const std::vector<std::string>& ids, const std::string& reason,
                       double time) {
  for (const std::string& id : ids) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) continue;
    ++found->second.waiting;
    arrivals_.push_back({id, 0, 0, {}, reason, time});
  }
}

// --- what waits, and what is stored ---

bool Sessions::HasStorable() const {
  return std::any_of(arrivals_.begin(), arrivals_.end(), [this](const Arrival& arrival) {
    const auto session = sessions_.find(arrival.session);
    return session == sessions_.end() || !session->second.waits;
  });
}

void Sessions::ClearArrivals(const std::set<std::string>& waiting) {
  for (const Arrival& arrival : arrivals_) {
    if (waiting.contains(arrival.session)) continue;
    Session& session = sessions_[arrival.session];
    session.waiting = 0;
    session.waiting_bytes = 0;
  }
  std::erase_if(arrivals_,
                [&](const Arrival& arrival) { return !waiting.contains(arrival.session); });
  for (const std::string& id : waiting) sessions_[id].waits = true;
  waiting_bytes_ = 0;
}

void Sessions::ReleaseWaiting() {
  for (const Arrival& arrival : arrivals_) {
    const auto session = sessions_.find(arrival.session);
    if (session != sessions_.end() && session->second.waits) waiting_bytes_ += arrival.body.size();
  }
  for (auto& [id, session] : sessions_) session.waits = false;
}

void Sessions::Hold(const std::string& id) {
  Session& session = sessions_[id];
  session.held = true;
  session.received_seq = session.stored.last_seq;
}

void Sessions::ReleaseHeld() {
  for (auto& [id, session] : sessions_) session.held = false;
}

void Sessions::Restore(const std::string& id, SessionState state, Time heard) {
  Session& session = sessions_[id];
  session.heard = heard;
  session.received_seq = state.last_seq;
  if (state.opened) session.client = state.opened->owner();
  session.stored = std::move(state);
}

// --- who lives ---

std::vector<std::string> Sessions::SilentSince(Time since) const {
  std::vector<std::string> silent;
  for (const auto& [id, session] : sessions_) {
    const bool open = session.stored.open && session.stored.opened;
    if (open && session.heard <= since && session.waiting == 0) silent.push_back(id);
  }
  return silent;
}

std::vector<std::string> Sessions::LeaveForSilent(Time ended, Time unopened) {
  std::vector<std::string> left;
  for (auto& [id, session] : sessions_) {
    const bool opened = session.stored.opened != nullptr;
    const bool goes_on = opened && session.stored.open;
    if (goes_on || session.left || session.waiting > 0) continue;
    if (session.heard > (opened ? ended : unopened)) continue;
    session.left = true;
    left.push_back(id);
  }
  return left;
}

bool Sessions::AnyAlive(Time since) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& entry) {
    const Session& session = entry.second;
    return !session.bye && (session.stored.open || session.heard > since);
  });
}

bool Sessions::AllEnded() const {
  return arrivals_.empty() &&
         std::all_of(sessions_.begin(), sessions_.end(), [](const auto& entry) {
           return !entry.second.stored.open || !entry.second.stored.opened;
         });
}

std::map<std::string, pid_t> Sessions::Processes() const {
  std::map<std::string, pid_t> processes;
  for (const auto& [id, session] : sessions_) {
    const SessionState& stored = session.stored;
    if (stored.open && stored.opened && stored.opened->pid() != 0)
      processes.emplace(id, stored.opened->pid());
  }
  return processes;
}

std::vector<std::string> Sessions::FeedersOf(int64_t run) const {
  std::vector<std::string> ids;
  for (const auto& [id, session] : sessions_) {
    if (session.runs.contains(run)) ids.push_back(id);
  }
  return ids;
}

}  // namespace flarebridge
