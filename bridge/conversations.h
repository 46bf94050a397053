// What the bridge says to shims and they to it: takes their messages from the link, asks intake,
// and answers; knows which connection a session has now, so that a person's notices and
// acknowledgements reach it. A bridge without an endpoint has none. The bridge's one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "bridge/intake/intake.h"
#include "bridge/link/link.h"

namespace spdlog {
class logger;
}

namespace flarebridge {

class Conversations {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `link`: may be null. `bye` is called when a session has left, which changes what is to be
  // stored. `spool`: where sessions put large values, or empty. Intake must live as long as
  // messages are received and runs told of.
  Conversations(std::unique_ptr<Link> link, Intake& intake, std::shared_ptr<spdlog::logger> log,
                std::function<void(Time now)> bye, std::string spool = {});

  bool HasInput() const { return link_ && link_->HasInput(); }
  // Takes messages until none is there or intake holds `most_bytes` that are to be stored. True:
  // there was one.
  bool ReceiveAll(size_t most_bytes, Time now);
  // Somebody has said hello.
  bool served() const { return served_; }

  // The run is over, and nothing is told of it any more.
  void ForgetRun(int64_t run) { stops_.erase(run); }
  // The session is over: whoever speaks on its connection says hello again.
  void Forget(const std::string& session);

  // Sends to a session if it is connected.
  void Tell(const std::string& session, const BridgeMessage& message);
  // What it sent behind its last acknowledgement is to be sent again when there is room.
  void SendAgain(const std::string& session);
  // To every session.
  void TellAll(const Notice& notice);
  // To a person: in the log, and in every training process's or in those of one run.
  void Announce(const Notice& notice);
  void AnnounceOfRun(int64_t run, NoticeLevel level, const std::string& text);
  // Somebody has asked that the run be stopped: once in the log, and to the sessions that feed it,
  // now and when they come again, for a notice may get lost. `words`: what the run "was".
  void AnnounceStop(int64_t run, const std::string& words);

 private:
  void Handle(const Link::Incoming& incoming, Time now);
  void OnHello(const Link::Incoming& incoming, const Hello& hello, Time now);
  // Refuses what a peer said. In the log at most one line per interval, with their number.
  void Refuse(const Link::Peer& peer, const Refusal& refusal, Time now);
  void TellTurnedAway(Time now);
  void TellStops(const std::string& session);
  void OnBye(const Link::Peer& peer, const std::string& session, Time now);

  std::unique_ptr<Link> link_;
  Intake& intake_;
  std::shared_ptr<spdlog::logger> log_;
  std::function<void(Time)> bye_;
  const std::string spool_;  // told to sessions, or empty
  struct Speaker {
    std::string session;
    std::string client;  // whose key said hello, or empty
  };
  std::map<Link::Peer, Speaker> session_of_peer_;
  std::map<std::string, Link::Peer> peer_of_session_;
  std::map<int64_t, Notice> stops_;  // by run
  bool served_ = false;
  uint64_t refusals_ = 0;  // since one was logged
  std::optional<Time> refusal_told_;
  uint64_t turned_away_ = 0;  // of the link's, those that were logged
  std::optional<Time> turned_away_told_;
};

}  // namespace flarebridge
