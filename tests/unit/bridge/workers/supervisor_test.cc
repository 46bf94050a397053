// The supervisor with workers that are played in memory, a clock that is turned by hand, and a real
// journal.
#include "bridge/workers/supervisor.h"

#include <doctest/doctest.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "bridge/process/exit_code.h"
#include "events/event_codec.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
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

ReceiverStatus Lives(const std::string& name, uint64_t durable) { return {name, durable}; }
ReceiverStatus Fails(const std::string& name, uint64_t durable) {
  return {name, durable, ReceiverCondition::kFailed, "no space"};
}
ReceiverStatus Refuses(const std::string& name) {
  return {name, 0, ReceiverCondition::kRefuses, "makes no sense"};
}

class World {
 public:
  explicit World(const Supervisor::Limits& limits = {})
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
    for (const auto& file : fs::directory_iterator(temp_.path() / "quarantine", none)) {
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

// --- one receiver ---

TEST_CASE("a worker is started when its run has events, and given them once it is ready") {
  World world;
  const int64_t run = world.Add({"wandb"});
  CHECK(world.workers.empty());
  world.Store(run, 3);
  REQUIRE(world.workers.size() == 1);
  CHECK(world.Opened() == "wandb:0");
  CHECK(world.Given().empty());
  world.Ready({Lives("wandb", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
  world.Store(run, 2);
  CHECK(world.Given() == Positions{1, 2, 3, 4, 5});
  world.Durable({Lives("wandb", 5)});
  CHECK(world.durable == 5);
  CHECK(world.stored_bytes() == 0);
}

TEST_CASE("a run whose end is in its receiver lets its worker go, and is finished once") {
  World world;
  const int64_t run = world.Add({"wandb"});
  const uint64_t last = world.Store(run, 3, true);
  world.Ready({Lives("wandb", 0)});
  CHECK_FALSE(world.worker().closed);
  world.Durable({Lives("wandb", last)});
  CHECK(world.worker().closed);
  CHECK(world.finished == 0);
  CHECK_FALSE(world.supervisor().AllDone());
  world.Exit(kExitOk);
  CHECK(world.finished == 1);
  CHECK(world.supervisor().AllDone());
  CHECK(world.notices.empty());
  world.Pass(minutes(10));
  CHECK(world.workers.size() == 1);
  CHECK(world.finished == 1);
}

TEST_CASE(
    "a worker that dies is replaced after a wait, by one that is fed behind what is durable") {
  World world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 4);
  world.Ready({Lives("wandb", 0)});
  world.Durable({Lives("wandb", 2)});
  world.Exit(0, SIGKILL);
  CHECK(world.workers.size() == 1);
  world.Store(run, 1);
  world.Pass(milliseconds(200));
  REQUIRE(world.workers.size() == 2);
  CHECK(world.Opened() == "wandb:2");
  world.Ready({Lives("wandb", 1)});  // an event without effects leaves no trace in it
  // A slice of the journal is given from its beginning.
  CHECK(world.Given() == Positions{1, 2, 3, 4, 5});
  CHECK(world.notices.size() == 1);
  world.Exit(0, SIGKILL);
  world.Pass(milliseconds(200));
  CHECK(world.workers.size() == 2);  // the second wait is longer
  world.Pass(milliseconds(200));
  CHECK(world.workers.size() == 3);
}

TEST_CASE("an event at which three workers die of themselves is left out of its run") {
  for (const int signal : {SIGSEGV, SIGKILL}) {
    World world;
    const int64_t run = world.Add({"wandb"});
    world.Store(run, 3);
    for (int death = 0; death < 3; ++death) {
      world.Ready({Lives("wandb", 0)});
      world.worker().at_work = 2;
      world.Exit(0, signal);
      world.Pass(seconds(30));
    }
    CHECK(world.workers.size() == 4);
    CHECK(world.Quarantined(".event") == (signal == SIGSEGV ? 1 : 0));
    world.Ready({Lives("wandb", 0)});
    CHECK(world.Given() == Positions{1, 2, 3});  // in its place there is one without effect
  }
}

// How often workers are killed at the same event until it is left out, of 20 times at most.
size_t KillsUntilLeftOut(bool by_bridge) {
  World world;
  world.Store(world.Add({"wandb"}), 3);
  for (size_t kills = 1; kills <= 20; ++kills) {
    world.Ready({Lives("wandb", 0)});
    world.worker().at_work = 2;
    if (by_bridge) world.Ready({Lives("nonsense", 0)});
    CHECK(world.worker().killed == by_bridge);
    world.Exit(0, SIGKILL);
    world.Pass(seconds(30));
    if (world.Quarantined(".event") == 1) return kills;
  }
  return 0;
}

TEST_CASE("an event at which workers are killed for memory again and again is left out") {
  CHECK(KillsUntilLeftOut(false) == 10);
  CHECK(KillsUntilLeftOut(true) == 0);  // no fault of the event
}

TEST_CASE("a worker that says nonsense is killed") {
  World world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 4)});  // there is no such event yet
  CHECK(world.worker().killed);
  World other;
  other.Store(other.Add({"wandb"}), 3);
  other.Ready({Lives("jsonl", 1)});
  CHECK(other.worker().killed);
}

TEST_CASE("a worker that reads on is waited for, however long; one that is silent is killed") {
  World world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 3);
  std::string opening;
  AppendOpening(opening);
  for (int second = 0; second < 600; second += 20) {
    world.Say(opening);
    CHECK(world.supervisor().last_progress() == world.now());
    world.Pass(seconds(20));
    CHECK_FALSE(world.worker().killed);
  }
  CHECK(world.workers.size() == 1);
  world.Pass(seconds(11));
  CHECK(world.worker().killed);
}

TEST_CASE("a stop lets workers write out and starts none again") {
  World world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 0)});
  world.supervisor().StopAll(Supervisor::Time(std::chrono::hours(1000)));
  CHECK(world.worker().closed);
  world.Durable({Lives("wandb", 2)});
  world.Exit(kExitOk);
  world.Pass(minutes(10));
  CHECK(world.workers.size() == 1);
  CHECK(world.durable == 2);
  CHECK_FALSE(world.supervisor().AllDone());
  CHECK(world.supervisor().Undone() == std::vector<std::string>{"site"});
}

TEST_CASE("a run whose only receiver refuses is not tried again, and keeps its events") {
  World world;
  world.Store(world.Add({"wandb"}), 3, true);
  std::string words;
  AppendNotice({NoticeLevel::kError, "no such folder"}, words);
  world.Say(words);
  world.Exit(kExitConfig);
  world.Pass(std::chrono::hours(3));
  CHECK(world.workers.size() == 1);
  CHECK(world.supervisor().NothingMoves());
  CHECK_FALSE(world.supervisor().AllDone());
  CHECK(world.finished == 0);
  CHECK(world.supervisor().Undone() == std::vector<std::string>{"site (no such folder)"});
  CHECK(world.Quarantined("") == 0);
}

TEST_CASE(
    "where a run that failed for good is not waited for, its events go to quarantine in time") {
  Supervisor::Limits limits;
  limits.gives_up_runs = true;
  limits.patience.bytes = 10000;
  for (const bool too_much : {false, true}) {
    CAPTURE(too_much);
    World world(limits);
    const int64_t run = world.Add({"wandb"});
    world.Store(run, 3);
    std::string words;
    AppendNotice({NoticeLevel::kError, "makes no sense"}, words);
    world.Say(words);
    world.Exit(kExitConfig);
    world.Pass(minutes(59));
    CHECK(world.durable == 0);
    if (too_much) {
      world.Store(run, 1, false, 20000);
      world.Pass(seconds(1));
      CHECK(world.durable == 4);
    } else {
      world.Pass(minutes(1));
      CHECK(world.durable == 3);
    }
    CHECK(world.notices.back().starts_with("wandb is given up (makes no sense)"));
    // Its end goes there, too, and then nothing is left of it.
    const uint64_t last = world.Store(run, 2, true);
    world.Pass(seconds(1));
    CHECK(world.durable == last);
    CHECK(world.finished == 1);
    CHECK(world.workers.size() == 1);
    CHECK(world.Quarantined(".wandb.events") == last);
    CHECK(world.supervisor().AllDone());
  }
}

TEST_CASE("a run that was complete before the start, and not dropped, is finished at the start") {
  World world;
  world.AddComplete({"wandb"});
  CHECK(world.finished == 1);
  CHECK(world.workers.empty());
}

TEST_CASE("what is to be uploaded is told again when a run that was done with goes on") {
  World world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 1, true);
  std::string frame;
  AppendUpload({"wandb", "/a"}, frame);
  world.Say(frame);
  world.Ready({Lives("wandb", 0)});
  CHECK(world.uploads == std::vector<std::string>{"wandb /a"});
  world.Store(run, 1);
  CHECK(world.uploads.size() == 2);
}

// --- one of two fails ---

TEST_CASE("a receiver that fails is told once and left behind, the other goes on") {
  World world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 4);
  CHECK(world.Opened() == "wandb:0 jsonl:0");
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  world.Durable({Lives("wandb", 4), Fails("jsonl", 2)});
  world.Durable({Lives("wandb", 4), Fails("jsonl", 2)});
  REQUIRE(world.notices.size() == 1);
  CHECK(world.notices[0].starts_with("jsonl: no space"));
  CHECK(world.durable == 2);  // the journal keeps what it lacks
  world.Store(run, 2);
  CHECK(world.Given() == Positions{1, 2, 3, 4, 5, 6});
  world.Durable({Lives("wandb", 6), Fails("jsonl", 2)});
  CHECK(world.durable == 2);
  CHECK_FALSE(world.worker().closed);
}

TEST_CASE("a receiver that failed is opened again by a new worker, and fed behind what it has") {
  World world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 2);
  world.Store(run, 2);
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  world.Durable({Lives("wandb", 4), Fails("jsonl", 2)});
  world.Pass(seconds(1));
  CHECK(world.worker().closed);  // it writes out what it has
  CHECK(world.workers.size() == 1);
  world.Exit(kExitOk);
  REQUIRE(world.workers.size() == 2);
  CHECK(world.Opened() == "wandb:4 jsonl:2");
  world.Ready({Lives("wandb", 4), Lives("jsonl", 2)});
  CHECK(world.Given() == Positions{3, 4});
  world.Durable({Lives("wandb", 4), Lives("jsonl", 4)});
  CHECK(world.durable == 4);
  CHECK(world.notices.size() == 1);
  CHECK_FALSE(world.worker().closed);
}

TEST_CASE("a failure that lasts is told once and tried again more and more seldom") {
  World world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 1);
  world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  int tried = 0;
  for (int second = 0; second < 300; ++second) {
    world.Store(run, 1);
    world.Pass(seconds(1));
    if (!world.worker().closed) continue;
    ++tried;
    world.Exit(kExitOk);
    world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  }
  CHECK(tried > 8);
  CHECK(tried < 16);
  CHECK(world.notices.size() == 1);
  CHECK(world.Given().back() == 301);
}

TEST_CASE("a receiver that refuses is not opened again, and the run ends without it") {
  World world;
  const int64_t run = world.Add({"wandb", "other"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 0), Refuses("other")});
  REQUIRE(world.notices.size() == 1);
  CHECK(world.notices[0].starts_with("other: makes no sense"));
  world.Exit(0, SIGKILL);
  world.Pass(seconds(30));
  CHECK(world.Opened() == "wandb:0");
  world.Ready({Lives("wandb", 0)});
  const uint64_t last = world.Store(run, 1, true);
  world.Durable({Lives("wandb", last)});
  CHECK(world.durable == 0);
  CHECK(world.worker().closed);
  world.Exit(kExitOk);
  CHECK(world.finished == 1);
  CHECK(world.supervisor().AllDone());
  CHECK(world.durable == last);
  CHECK(world.Quarantined(".other.events") == 4);
}

TEST_CASE("a run's end waits for a receiver that may be mended, its other receivers do not") {
  World world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  const uint64_t last = world.Store(run, 3, true);
  world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  world.Durable({Lives("wandb", last), Fails("jsonl", 0)});
  CHECK(world.worker().closed);
  world.Exit(kExitOk);
  CHECK(world.workers.size() == 1);
  CHECK(world.finished == 0);
  CHECK_FALSE(world.supervisor().AllDone());
  CHECK_FALSE(world.supervisor().NothingMoves());
  CHECK(world.supervisor().Undone() == std::vector<std::string>{"site (jsonl: no space)"});
  world.Pass(seconds(1));
  REQUIRE(world.workers.size() == 2);
  world.Ready({Lives("wandb", last), Lives("jsonl", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
  world.Durable({Lives("wandb", last), Lives("jsonl", last)});
  world.Exit(kExitOk);
  CHECK(world.finished == 1);
  CHECK(world.stored_bytes() == 0);
}

TEST_CASE("a receiver that fails for an hour is given up: its events are in quarantine") {
  World world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  world.Durable({Lives("wandb", 3), Fails("jsonl", 0)});
  for (int minute = 0; minute < 59; ++minute) {
    world.Pass(minutes(1));
    world.Exit(kExitOk);
    world.Ready({Lives("wandb", 3), Fails("jsonl", 0)});
  }
  CHECK(world.durable == 0);
  world.Pass(minutes(1));
  CHECK(world.durable == 3);
  CHECK(world.Quarantined(".jsonl.events") == 3);
  REQUIRE(world.notices.size() == 2);
  CHECK(world.notices[1].starts_with("jsonl is given up"));
  if (world.worker().closed) {
    world.Exit(kExitOk);
    world.Store(run, 1);
    CHECK(world.Opened() == "wandb:3");
  }
}

TEST_CASE("what follows for a receiver that was given up goes to quarantine, all of it") {
  Supervisor::Limits limits;
  limits.patience.bytes = 10'000;
  World world(limits);
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 1);
  world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  uint64_t last = world.Store(run, 10, false, 2'000);
  world.Tick();
  CHECK(world.Quarantined(".jsonl.events") == 11);
  CHECK(world.durable == 0);  // the other has not said that it has them
  last = world.Store(run, 5);
  world.Durable({Lives("wandb", last)});
  CHECK(world.durable == 11);  // a little is kept until there is more of it
  last = world.Store(run, 20, false, 100'000);
  world.Durable({Lives("wandb", last)});
  world.Tick();
  CHECK(world.durable == last);
  last = world.Store(run, 1, true);
  world.Durable({Lives("wandb", last)});
  world.Exit(kExitOk);
  CHECK(world.Quarantined(".jsonl.events") == last);
  CHECK(world.stored_bytes() == 0);
  CHECK(world.finished == 1);
  CHECK(world.notices.size() == 2);
}

TEST_CASE("of many runs' failed receivers the one with the most is given up when it is too much") {
  Supervisor::Limits limits;
  limits.backlog_bytes = 50'000;
  World world(limits);
  for (int number = 1; number <= 3; ++number) {
    const int64_t run = world.Add({"wandb", "jsonl"});
    world.Store(run, 1);
    world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
    world.Store(run, static_cast<uint32_t>(number), false, 10'000);
    world.Tick();
  }
  CHECK(world.Quarantined(".jsonl.events") == 4);  // those of the third
  CHECK(world.stored_bytes() > 0);
}

TEST_CASE("where no receiver of a run is left nothing is given up") {
  World world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 3);
  for (int attempt = 0; attempt < 200; ++attempt) {
    world.Durable({Fails("wandb", 0), Fails("jsonl", 0)});
    world.Exit(kExitIo);
    world.Pass(minutes(1));
    CHECK(world.Opened() == "wandb:0 jsonl:0");
  }
  CHECK(world.Quarantined("") == 0);
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
}

// --- a journal that is nearly full ---

Supervisor::Limits Crowded() {
  Supervisor::Limits limits;
  limits.crowded_bytes = 10000;
  return limits;
}

TEST_CASE("a run that can't be written makes room for others, with its events in quarantine") {
  World world(Crowded());
  const int64_t stuck = world.Add({"wandb", "jsonl"});
  world.Store(stuck, 3, false, 5000);
  for (int attempt = 0; attempt < 3; ++attempt) {
    world.Exit(kExitIo);
    CHECK(world.Quarantined("") == 0);
    world.Pass(seconds(20));
  }
  world.Exit(kExitIo);  // a worker was there: another one has its time, too
  world.Pass(minutes(1));
  world.Exit(kExitIo);
  world.Pass(seconds(2));
  CHECK(world.Quarantined(".wandb.events") == 3);
  CHECK(world.Quarantined(".jsonl.events") == 3);
  CHECK(world.durable == 3);
  CHECK(world.stored_bytes() == 0);
  CHECK(world.notices.back().find("others need the journal's room") != std::string::npos);
  // What follows goes there, too, its end with it, and no worker is started for it.
  const size_t workers = world.workers.size();
  const uint64_t last = world.Store(stuck, 2, true);
  world.Pass(minutes(5));
  CHECK(world.durable == last);
  CHECK(world.workers.size() == workers);
  CHECK(world.finished == 1);
}

TEST_CASE("of the runs that are stuck the one with the most makes room, and no more than needed") {
  World world(Crowded());
  const int64_t small = world.Add({"wandb"});
  world.Store(small, 1, false, 3000);
  world.Exit(kExitConfig);
  const int64_t large = world.Add({"wandb"});
  world.Store(large, 2, false, 4000);
  world.Exit(kExitConfig);
  world.Pass(seconds(61));
  world.Pass(minutes(10));
  CHECK(world.Quarantined("") == 2);
  CHECK(world.stored_bytes() > 3000);
}

TEST_CASE(
    "a worker that hangs while the journal is nearly full is replaced, and nothing given up") {
  World world(Crowded());
  world.Store(world.Add({"wandb"}), 3, false, 5000);
  world.Ready({Lives("wandb", 0)});
  world.Pass(seconds(61));
  CHECK(world.worker().killed);
  world.Exit(0, SIGKILL);
  world.Pass(seconds(1));
  REQUIRE(world.workers.size() == 2);
  world.Ready({Lives("wandb", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
  world.Durable({Lives("wandb", 3)});
  world.Pass(minutes(10));
  CHECK(world.Quarantined("") == 0);
  CHECK_FALSE(world.worker().killed);
}

TEST_CASE("a worker that hangs again, so that others have no room, is given up") {
  World world(Crowded());
  world.Store(world.Add({"wandb"}), 3, false, 5000);
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(world.Quarantined("") == 0);
    world.Ready({Lives("wandb", 0)});
    world.Pass(seconds(61));
    CHECK(world.worker().killed);
    world.Exit(0, SIGKILL);
    world.Pass(seconds(1));
  }
  CHECK(world.Quarantined(".wandb.events") == 3);
  CHECK(world.workers.size() == 2);
}

TEST_CASE("a run that gets on is waited for, however slow it is and full the journal") {
  World world(Crowded());
  world.Store(world.Add({"wandb"}), 30, false, 5000);
  world.Ready({Lives("wandb", 0)});
  for (uint64_t position = 1; position < 28; ++position) {
    world.Pass(seconds(50));
    world.Durable({Lives("wandb", position)});
  }
  CHECK_FALSE(world.worker().killed);
  CHECK(world.Quarantined("") == 0);
}

TEST_CASE("a run that is stuck is waited for while there is room for others") {
  Supervisor::Limits limits = Crowded();
  limits.crowded_bytes = 20000;
  World world(limits);
  world.Store(world.Add({"wandb"}), 3, false, 5000);
  world.Ready({Lives("wandb", 0)});
  world.Pass(std::chrono::hours(3));
  CHECK_FALSE(world.worker().killed);
  CHECK(world.Quarantined("") == 0);
}

}  // namespace
}  // namespace flarebridge
