// The supervisor with workers that are played in memory, a clock that is turned by hand, and a real
// journal. One thread.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bridge/workers/supervisor.h"
#include "events/event_codec.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::testing {

using Positions = std::vector<uint64_t>;

// One worker as a test plays it; it stays when the supervisor has let go of it.
struct Script {
  WorkerHandle::Events events;
  std::string heard;    // from the supervisor
  std::string says;     // not received by it yet
  bool closed = false;  // its stream has ended
  bool killed = false;
  bool gone = false;  // the supervisor has let go of it
  std::optional<ChildProcess::Exit> exit;
  uint64_t at_work = 0;
};

class ScriptedWorker : public WorkerHandle {
 public:
  explicit ScriptedWorker(std::shared_ptr<Script> script) : script_(std::move(script)) {}
  ~ScriptedWorker() override { script_->gone = true; }
  size_t Send(std::string_view bytes) override {
    if (script_->closed) return 0;
    script_->heard += bytes;
    return bytes.size();
  }
  void Receive(std::string& out) override { out += std::exchange(script_->says, ""); }
  void WatchRoom(bool /*watched*/) override {}
  void CloseStream() override { script_->closed = true; }
  void Kill() override { script_->killed = true; }
  std::optional<ChildProcess::Exit> Reap() override { return script_->exit; }
  uint64_t at_work() const override { return script_->at_work; }

 private:
  std::shared_ptr<Script> script_;
};

inline ReceiverStatus Lives(const std::string& name, uint64_t durable) { return {name, durable}; }
inline ReceiverStatus Fails(const std::string& name, uint64_t durable) {
  return {name, durable, ReceiverCondition::kFailed, "no space"};
}
inline ReceiverStatus Refuses(const std::string& name) {
  return {name, 0, ReceiverCondition::kRefuses, "makes no sense"};
}

// A supervisor, its journal in a folder of its own, the clock, and all that was told outside.
class SupervisorWorld {
 public:
  explicit SupervisorWorld(const Supervisor::Limits& limits = {})
      : journal_(Journal::Open((temp_.path() / "journal.db").string()).value()) {
    Supervisor::Callbacks callbacks;
    callbacks.durable = [this](int64_t run, uint64_t position) {
      durable = position;
      JournalCommit commit;
      commit.forgotten = {{run, position}};
      REQUIRE(journal_->Commit(commit).has_value());
    };
    callbacks.finished = [this](int64_t) { ++finished; };
    callbacks.upload = [this](int64_t, const UploadTarget& target) {
      uploads.push_back(target.kind + " " + target.path);
    };
    callbacks.notice = [this](int64_t, NoticeLevel, const std::string& text) {
      notices.push_back(text);
    };
    Supervisor::Seams seams;
    seams.spawn = [this](WorkerHandle::Events events) -> Expected<std::unique_ptr<WorkerHandle>> {
      workers.push_back(std::make_shared<Script>());
      workers.back()->events = std::move(events);
      return std::make_unique<ScriptedWorker>(workers.back());
    };
    seams.now = [this] { return now_; };
    supervisor_.emplace(*journal_, Quarantine(temp_.path() / "quarantine", journal_->id()),
                        std::move(callbacks), std::move(seams), limits);
  }

  // A new run with receivers of these names (of less than 32 letters).
  int64_t Add(const std::vector<std::string>& receivers) {
    const Intake::RunInfo info = NewInfo(receivers);
    supervisor_->Add(info, std::nullopt, now_);
    return info.id;
  }

  // One whose events, its end with them, all receivers have on disk since before the start.
  void AddComplete(const std::vector<std::string>& receivers) {
    Intake::RunInfo info = NewInfo(receivers);
    info.last_position = 3;
    info.ended = true;
    supervisor_->Add(info, std::nullopt, now_);
  }

  // Events of a run become durable in the journal; each with `padding` bytes. Gives the last one's
  // position.
  uint64_t Store(int64_t run, uint32_t count, bool ends = false, size_t padding = 0) {
    Intake::Slice slice;
    slice.run = run;
    slice.count = count;
    slice.ends = ends;
    const std::string text(padding, 'x');
    ValueNode node;
    node.kind = ValueKind::kText;
    node.text = text;
    for (uint32_t i = 0; i < count; ++i) {
      if (ends && i + 1 == count) {
        EncodeEvent(RunEnded{1, "site", 0, ""}, slice.body);
        continue;
      }
      Data data;
      data.time = 1;
      data.site = "site";
      data.tag = "n";
      data.value = Value(&node);
      EncodeEvent(data, slice.body);
    }
    JournalCommit commit;
    commit.slices = {{run, count, ends, slice.body}};
    slice.first_position = journal_->Commit(commit).value().first_positions.front();
    supervisor_->Offer(slice, now_);
    return slice.first_position + count - 1;
  }

  Script& worker() { return *workers.back(); }
  void Say(const std::string& frame) {
    worker().says += frame;
    worker().events.readable();
  }
  void Say(FrameKind kind, const std::vector<ReceiverStatus>& receivers) {
    std::string frame;
    AppendStatus(kind, receivers, frame);
    Say(frame);
  }
  void Ready(const std::vector<ReceiverStatus>& receivers) { Say(FrameKind::kReady, receivers); }
  void Durable(const std::vector<ReceiverStatus>& receivers) {
    Say(FrameKind::kDurable, receivers);
  }
  void Exit(int status, int signal = 0) {
    worker().exit = ChildProcess::Exit{status, signal};
    const auto exited = worker().events.exited;
    exited();
    Tick();
  }
  // Time passes, and the bridge's loop turns.
  void Pass(std::chrono::steady_clock::duration time) {
    now_ += time;
    Tick();
  }
  // The loop turns as long as something is due.
  void Tick() {
    for (int turn = 0; turn < 100; ++turn) {
      supervisor_->OnTimer(now_);
      const auto next = supervisor_->NextTimer();
      if (!next || *next > now_) return;
    }
    FAIL("the loop would never sleep");
  }

  // What the newest worker was told to open, as "name:position" joined by blanks.
  std::string Opened() {
    std::string opened;
    ReadHeard([&](const FrameReader::Frame& frame) {
      if (frame.kind != FrameKind::kOpen) return;
      const OpenFrame open = ParseOpen(frame.payload).value();
      for (const OpenFrame::Receiver& receiver : open.receivers)
        opened +=
            (opened.empty() ? "" : " ") + receiver.name + ":" + std::to_string(receiver.durable);
    });
    return opened;
  }
  // Positions of the events that the newest worker was given.
  Positions Given() {
    Positions given;
    ReadHeard([&](const FrameReader::Frame& frame) {
      if (frame.kind != FrameKind::kEvents) return;
      const EventsFrame events = ParseEvents(frame.payload).value();
      for (uint32_t i = 0; i < events.count; ++i) given.push_back(events.first_position + i);
    });
    return given;
  }
  // Events in files of quarantine whose name ends so.
  size_t Quarantined(const std::string& suffix) const {
    size_t events = 0;
    std::error_code none;
    for (const auto& file :
         std::filesystem::directory_iterator(temp_.path() / "quarantine", none)) {
      if (!file.path().string().ends_with(suffix)) continue;
      std::ifstream in(file.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      std::string_view rest = bytes;
      EventDecoder decoder;
      for (; !rest.empty(); ++events) {
        const DecodedEvent decoded = decoder.Decode(rest);
        REQUIRE(decoded.event.has_value());
        rest.remove_prefix(decoded.size);
      }
    }
    return events;
  }
  Supervisor::Time now() const { return now_; }
  uint64_t stored_bytes() const { return journal_->stored_bytes(); }
  Supervisor& supervisor() { return *supervisor_; }

  std::vector<std::shared_ptr<Script>> workers;
  uint64_t durable = 0;
  int finished = 0;
  std::vector<std::string> notices;
  std::vector<std::string> uploads;

 private:
  Intake::RunInfo NewInfo(const std::vector<std::string>& receivers) {
    Intake::RunInfo info;
    info.id = NewRun();
    info.spec.journal = journal_->id();
    info.spec.job = "job";
    info.spec.site = "site";
    info.spec.run_name = "run";
    std::string map(1, static_cast<char>(0x80 + receivers.size()));
    for (const std::string& name : receivers)
      map += static_cast<char>(0xa0 + name.size()) + name + "\x80";
    info.spec.receivers = Document::Parse(map).value();
    return info;
  }
  int64_t NewRun() {
    JournalCommit commit;
    commit.new_runs = {{"site", "opened", 1.0}};
    return journal_->Commit(commit).value().runs.front();
  }
  template <class Visit>
  void ReadHeard(Visit visit) {
    FrameReader reader;
    reader.Feed(worker().heard);
    FrameReader::Frame frame{};
    while (reader.Next(frame).value()) visit(frame);
  }

  TempFolder temp_;
  std::unique_ptr<Journal> journal_;
  Supervisor::Time now_ = Supervisor::Time(std::chrono::hours(1000));
  std::optional<Supervisor> supervisor_;
};

}  // namespace flarebridge::testing
