#include "bridge/conversations.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "events/clock.h"
#include "events/printable.h"

namespace flarebridge {
namespace {

// Refusals, and connections turned away, are logged at most this often each.
constexpr std::chrono::seconds kRefusalInterval{10};
constexpr std::chrono::seconds kTurnedAwayInterval{60};

spdlog::level::level_enum SeverityOf(NoticeLevel level) {
  switch (level) {
    case NoticeLevel::kError:
      return spdlog::level::err;
    case NoticeLevel::kWarning:
      return spdlog::level::warn;
    default:
      return spdlog::level::info;
  }
}

}  // namespace

Conversations::Conversations(std::unique_ptr<Link> link, Intake& intake,
                             std::shared_ptr<spdlog::logger> log, std::function<void(Time now)> bye,
                             std::string spool)
    : link_(std::move(link)),
      intake_(intake),
      log_(std::move(log)),
      bye_(std::move(bye)),
      spool_(std::move(spool)) {}

// --- what shims say ---

bool Conversations::ReceiveAll(size_t most_bytes, Time now) {
  if (!link_) return false;
  bool received = false;
  while (intake_.waiting_bytes() < most_bytes &&
         link_->Receive([&](const Link::Incoming& incoming) { Handle(incoming, now); })) {
    received = true;
  }
  TellTurnedAway(now);
  return received;
}

void Conversations::Handle(const Link::Incoming& incoming, Time now) {
  if (!incoming.message) {
    const Error& error = incoming.message.error();
    const RefusalCode code =
        error.code == ErrorCode::kForbidden ? RefusalCode::kForbidden : RefusalCode::kMalformed;
    Refuse(incoming.peer, {code, error.message}, now);
    return;
  }
  const ShimMessage& message = *incoming.message;
  if (const auto* hello = std::get_if<Hello>(&message)) {
    OnHello(incoming, *hello, now);
    return;
  }
  const auto found = session_of_peer_.find(incoming.peer);
  if (found == session_of_peer_.end()) {
    link_->Send(incoming.peer, Refusal{RefusalCode::kUnknownSession, "say hello first"});
    return;
  }
  if (found->second.client != incoming.client) {
    Refuse(incoming.peer, {RefusalCode::kForbidden, "this session belongs to another client"}, now);
    return;
  }
  const std::string session = found->second.session;
  if (const auto* batch = std::get_if<Batch>(&message)) {
    const std::optional<Refusal> refusal = intake_.Take(session, *batch, now);
    if (refusal) Refuse(incoming.peer, *refusal, now);
  } else if (std::holds_alternative<Ping>(message)) {
    intake_.Heard(session, now);
    link_->Send(incoming.peer, intake_.AckOf(session));
  } else {
    OnBye(incoming.peer, session, now);
  }
}

void Conversations::Refuse(const Link::Peer& peer, const Refusal& refusal, Time now) {
  link_->Send(peer, refusal);
  ++refusals_;
  if (refusal_told_ && now - *refusal_told_ < kRefusalInterval) return;
  refusal_told_ = now;
  log_->warn("a message was refused: {}{}", refusal.text,
             refusals_ > 1 ? " (the last of " + std::to_string(refusals_) + ")" : "");
  refusals_ = 0;
}

void Conversations::TellTurnedAway(Time now) {
  const uint64_t refused = link_->refused();
  if (refused == turned_away_) return;
  if (turned_away_told_ && now - *turned_away_told_ < kTurnedAwayInterval) return;
  turned_away_told_ = now;
  log_->warn("{} connections were turned away: their keys are not on the list (--clients)",
             refused - turned_away_);
  turned_away_ = refused;
}

void Conversations::OnHello(const Link::Incoming& incoming, const Hello& hello, Time now) {
  Expected<Welcome> welcome = intake_.Hello(hello, incoming.client, now);
  if (!welcome) {
    RefusalCode code = RefusalCode::kForbidden;
    if (welcome.error().code == ErrorCode::kUnsupported) code = RefusalCode::kVersion;
    if (welcome.error().code == ErrorCode::kTooLarge) code = RefusalCode::kFull;
    Refuse(incoming.peer, {code, welcome.error().message}, now);
    return;
  }
  log_->info("session {} of {}{} from event {}", hello.session, hello.producer,
             incoming.client.empty() ? "" : " by " + incoming.client, welcome->acked_seq + 1);
  if (const auto old = peer_of_session_.find(hello.session); old != peer_of_session_.end()) {
    session_of_peer_.erase(old->second);
  }
  welcome->spool = spool_;
  served_ = true;
  session_of_peer_[incoming.peer] = {hello.session, incoming.client};
  peer_of_session_[hello.session] = incoming.peer;
  link_->Send(incoming.peer, *welcome);
  TellStops(hello.session);
}

void Conversations::OnBye(const Link::Peer& peer, const std::string& session, Time now) {
  log_->info("session {} is done", session);
  intake_.Bye(session);
  // Whoever leaves without an end has none to tell; nothing happens where it has told one.
  intake_.EndLost({session}, "the training process left without ending the run", EpochNow());
  bye_(now);
  peer_of_session_.erase(session);
  session_of_peer_.erase(peer);
}

void Conversations::Forget(const std::string& session) {
  const auto found = peer_of_session_.find(session);
  if (found == peer_of_session_.end()) return;
  const auto peer = session_of_peer_.find(found->second);
  if (peer != session_of_peer_.end() && peer->second.session == session)
    session_of_peer_.erase(peer);
  peer_of_session_.erase(found);
}

// --- what they are told ---

void Conversations::Tell(const std::string& session, const BridgeMessage& message) {
  const auto peer = peer_of_session_.find(session);
  if (peer != peer_of_session_.end()) link_->Send(peer->second, message);
}

void Conversations::SendAgain(const std::string& session) {
  const std::string words =
      "there is no room for another run (--max-runs): events wait in the training process until "
      "others are over";
  log_->warn("session {}: {}", session, words);
  Tell(session, Notice{NoticeLevel::kWarning, words});
  Tell(session, Refusal{RefusalCode::kGap, words});
}

void Conversations::TellAll(const Notice& notice) {
  for (const auto& [session, peer] : peer_of_session_) link_->Send(peer, notice);
}

void Conversations::Announce(const Notice& notice) {
  log_->log(SeverityOf(notice.level), "{}", notice.text);
  TellAll({notice.level, Printable(notice.text)});
}

void Conversations::AnnounceOfRun(int64_t run, NoticeLevel level, const std::string& text) {
  const std::string words = "run of " + intake_.SiteOfRun(run) + ": " + Printable(text);
  log_->log(SeverityOf(level), "{}", words);
  for (const std::string& session : intake_.SessionsOf(run)) Tell(session, Notice{level, words});
}

void Conversations::AnnounceStop(int64_t run, const std::string& words) {
  const std::string text = "the run of " + intake_.SiteOfRun(run) + " was " + Printable(words);
  const auto [stop, first] =
      stops_.emplace(run, Notice{NoticeLevel::kWarning, text, NoticeKind::kStop});
  if (!first) return;
  log_->warn("{}", text);
  for (const std::string& session : intake_.SessionsOf(run)) Tell(session, stop->second);
}

void Conversations::TellStops(const std::string& session) {
  for (const auto& [run, notice] : stops_) {
    const std::vector<std::string> feeders = intake_.SessionsOf(run);
    if (std::find(feeders.begin(), feeders.end(), session) != feeders.end()) Tell(session, notice);
  }
}

}  // namespace flarebridge
