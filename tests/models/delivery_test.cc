// Journal, positions, replay and two receivers together, against a list: what was committed is in
// both, once and in its order, whatever order of appending, writing, confirming, forgetting, dying
// and starting again there was, and whichever of the two failed while the other went on.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "bridge/journal/journal.h"
#include "events/event_codec.h"
#include "receivers/jsonl/jsonl_run.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/run/wandb_run.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using jsonl::JsonlRun;
using wandb::WandbRun;

// Some rows, so that most lives of a worker begin at a checkpoint.
constexpr uint64_t kCheckpointEvery = 500;

enum class Command : uint8_t {
  kCommit,          // an event or some become durable
  kCommitFails,     // the disk was full: they never were
  kDeliver,         // the worker is given some
  kFlush,           // time passes for the worker
  kSync,            // the worker's disk has them, and the bridge is told
  kForget,          // the journal deletes what was confirmed
  kWorkerDies,      // at any moment; a new one opens the run
  kWorkerLeaves,    // it writes out first
  kBridgeRestarts,  // the journal is opened anew; the worker dies with it
  kReceiverFails,   // one of the two is closed and left behind, until a new worker opens it
  kUploaded,        // what the log holds is on the server, and it is marked
};

class System {
 public:
  System() { OpenJournal(); }

  void Do(Command command, uint32_t amount) {
    switch (command) {
      case Command::kCommit:
        return Append(1 + amount % 5, true);
      case Command::kCommitFails:
        return Append(1 + amount % 5, false);
      case Command::kDeliver:
        return Deliver(1 + amount % 7);
      case Command::kFlush:
        now_ += std::chrono::milliseconds(amount % 1000);
        return Each([this](Output& output) { return output.receiver->Flush(now_); });
      case Command::kSync:
        Each([](Output& output) { return output.receiver->Persist(); });
        for (Output& output : outputs_) {
          if (output.receiver)
            output.confirmed = std::max(output.confirmed, output.receiver->DurablePosition());
        }
        return;
      case Command::kForget:
        return Forget();
      case Command::kWorkerDies:
        return EndWorker();
      case Command::kWorkerLeaves:
        Each([](Output& output) { return output.receiver->Drain(); });
        return EndWorker();
      case Command::kBridgeRestarts:
        EndWorker();
        journal_.reset();
        OpenJournal();
        return;
      case Command::kReceiverFails:
        outputs_[amount % 2].receiver.reset();
        if (!outputs_[0].receiver && !outputs_[1].receiver) EndWorker();
        return;
      case Command::kUploaded:
        return Mark();
    }
  }

  // Everything is delivered, also to one that had failed; each receiver's values.
  std::array<std::vector<int64_t>, 2> Finish() {
    EndWorker();
    OpenWorker();
    while (sent_ < last_) Deliver(1000);
    Each([](Output& output) { return output.receiver->Drain(); });
    for (const Output& output : outputs_)
      RC_ASSERT(std::max(output.receiver->DurablePosition(), output.confirmed) >= last_);
    EndWorker();
    return {ReadWandb(), ReadJsonl()};
  }
  const std::vector<int64_t>& committed() const { return committed_; }

 private:
  struct Output {
    std::unique_ptr<Receiver> receiver;  // nothing: no worker has it open
    uint64_t confirmed = 0;
  };

  std::vector<int64_t> ReadWandb() const {
    std::vector<int64_t> values;
    const auto logs = wandb::FindLogs(temp_.path().string());
    RC_ASSERT(logs.has_value());
    RC_ASSERT(logs->size() == 1U);
    const auto read =
        wandb::ReadLog(logs->front(), [&](const std::vector<wandb::ParsedRecord::ParsedItem>& row) {
          for (const auto& item : row) {
            if (item.key == "n") values.push_back(std::stoll(std::string(item.json)));
          }
        });
    RC_ASSERT(read.has_value());
    return values;
  }

  std::vector<int64_t> ReadJsonl() const {
    constexpr std::string_view kValue = "\"value\":";
    std::vector<int64_t> values;
    for (const auto& file : fs::directory_iterator(temp_.path() / "jsonl")) {
      std::ifstream in(file.path());
      for (std::string line; std::getline(in, line);) {
        const size_t at = line.find(kValue);
        if (at != std::string::npos) values.push_back(std::stoll(line.substr(at + kValue.size())));
      }
    }
    return values;
  }

  // As `wandb sync` does, and our own upload at a run's end.
  void Mark() const {
    const auto logs = wandb::FindLogs(temp_.path().string());
    if (!logs || logs->empty()) return;
    std::ofstream{wandb::UploadedMark(logs->front())};
  }

  void OpenJournal() {
    auto opened = Journal::Open((temp_.path() / "journal.db").string());
    RC_ASSERT(opened.has_value());
    journal_ = std::move(*opened);
    const auto runs = journal_->Runs();
    RC_ASSERT(runs.has_value());
    if (runs->empty()) {
      JournalCommit commit;
      commit.new_runs = {{"site", "opened", 1.0}};
      const auto made = journal_->Commit(commit);
      RC_ASSERT(made.has_value());
      run_ = made->runs.front();
    } else {
      RC_ASSERT(runs->front().last_position == last_);
    }
    // What a new bridge knows: all that is not stored any more was confirmed.
    uint64_t confirmed = last_;
    bool stored = false;
    RC_ASSERT(journal_
                  ->Read(run_, 0, 1,
                         [&](uint64_t first, uint32_t, std::string_view, bool whole) {
                           RC_ASSERT(whole);
                           if (!stored) confirmed = first - 1;
                           stored = true;
                         })
                  .has_value());
    for (Output& output : outputs_) output.confirmed = confirmed;
  }

  void Forget() {
    JournalCommit commit;
    commit.forgotten = {{run_, std::min(outputs_[0].confirmed, outputs_[1].confirmed)}};
    RC_ASSERT(journal_->Commit(commit).has_value());
  }

  void Append(uint32_t count, bool succeeds) {
    std::string body;
    const auto first = static_cast<int64_t>(committed_.size());
    for (uint32_t i = 0; i < count; ++i) {
      ValueNode node;
      node.kind = ValueKind::kUint;
      node.unsigned_integer = static_cast<uint64_t>(first + i);
      Data data;
      data.time = 1789000000 + static_cast<double>(first + i);
      data.site = "site";
      data.type = DataType::kMetric;
      data.tag = "n";
      data.value = Value(&node);
      data.step = first + i;
      EncodeEvent(data, body);
    }
    JournalCommit commit;
    commit.slices = {{run_, count, false, body}};
    // What comes behind the events can't be carried out.
    if (!succeeds) commit.feeds = {{"session", NewRunAt(0)}};
    const auto committed = journal_->Commit(commit);
    RC_ASSERT(committed.has_value() == succeeds);
    if (!succeeds) return;
    last_ = committed->first_positions.front() + count - 1;
    for (uint32_t i = 0; i < count; ++i) committed_.push_back(first + i);
  }

  // Opens both receivers, if no worker has.
  void OpenWorker() {
    if (open_) return;
    open_ = true;
    RunSpec spec;
    spec.journal = journal_->id();
    spec.job = "job";
    spec.site = "site";
    spec.run_name = "run";
    spec.side = "server";
    spec.folder = temp_.path().string();
    spec.started = 1789000000;
    spec.durable = outputs_[0].confirmed;
    auto wandb = WandbRun::Open(spec, spec.folder, wandb::WandbArguments::Parse(Value()).value(),
                                {}, kCheckpointEvery);
    RC_ASSERT(wandb.has_value());
    outputs_[0].receiver = std::move(*wandb);
    spec.durable = outputs_[1].confirmed;
    auto jsonl = JsonlRun::Open(spec, spec.folder);
    RC_ASSERT(jsonl.has_value());
    outputs_[1].receiver = std::move(*jsonl);
    sent_ = UINT64_MAX;
    for (Output& output : outputs_) {
      RC_ASSERT(output.receiver->Report().empty());
      sent_ = std::min(sent_, std::max(output.receiver->DurablePosition(), output.confirmed));
    }
    given_ = 0;  // they are given whole slices, also what they have of them
  }

  void EndWorker() {
    open_ = false;
    for (Output& output : outputs_) output.receiver.reset();
  }

  // A call to each receiver that lives.
  template <class Call>
  void Each(Call call) {
    OpenWorker();
    for (Output& output : outputs_) {
      if (output.receiver) RC_ASSERT(call(output).has_value());
    }
  }

  // Slices are given from their beginning, as the supervisor gives them.
  void Deliver(uint32_t most) {
    OpenWorker();
    EventDecoder decoder;
    const auto give = [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
      RC_ASSERT(whole);
      for (uint32_t i = 0; i < count && most > 0; ++i, --most) {
        const DecodedEvent decoded = decoder.Decode(body);
        RC_ASSERT(decoded.event.has_value());
        body.remove_prefix(decoded.size);
        if (first + i <= given_) continue;
        Each([&](Output& output) {
          return output.receiver->Write(first + i, *decoded.event, now_);
        });
        given_ = first + i;
        sent_ = std::max(sent_, given_);
      }
    };
    RC_ASSERT(journal_->Read(run_, sent_, size_t{1} << 20, give).has_value());
  }

  TempFolder temp_;
  std::unique_ptr<Journal> journal_;
  std::array<Output, 2> outputs_;  // wandb, jsonl
  bool open_ = false;              // a worker has opened them
  int64_t run_ = 1;
  uint64_t last_ = 0, sent_ = 0, given_ = 0;
  std::vector<int64_t> committed_;
  Clock::time_point now_{};
};

TEST_CASE(
    "what was committed is in each receiver once and in order, in whatever order things happen") {
  CHECK(rc::check([] {
    const auto commands = *rc::gen::container<std::vector<std::pair<uint8_t, uint32_t>>>(
        rc::gen::pair(rc::gen::inRange<uint8_t>(0, 11), rc::gen::inRange<uint32_t>(0, 1000)));
    System system;
    for (const auto& [command, amount] : commands) system.Do(static_cast<Command>(command), amount);
    for (const std::vector<int64_t>& found : system.Finish())
      RC_ASSERT(found == system.committed());
  }));
}

}  // namespace
}  // namespace flarebridge
