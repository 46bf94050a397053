// Journal, positions, replay and run log together, against a list: what was committed is in the run
// log, once and in its order, whatever order of appending, writing, confirming, forgetting, dying
// and starting again there was.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <rapidcheck.h>
#include <unistd.h>

#include <filesystem>

#include "bridge/journal/journal.h"
#include "events/event_codec.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/run/wandb_run.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using wandb::WandbRun;

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
        RC_ASSERT(Worker().Flush(now_).has_value());
        return;
      case Command::kSync:
        RC_ASSERT(Worker().Persist().has_value());
        confirmed_ = std::max(confirmed_, Worker().DurablePosition());
        return;
      case Command::kForget:
        journal_->Begin();
        journal_->Forget(run_, confirmed_);
        RC_ASSERT(journal_->Commit().has_value());
        return;
      case Command::kWorkerDies:
        worker_.reset();
        return;
      case Command::kWorkerLeaves:
        RC_ASSERT(Worker().Drain().has_value());
        worker_.reset();
        return;
      case Command::kBridgeRestarts:
        worker_.reset();
        journal_.reset();
        OpenJournal();
        return;
    }
  }

  // Everything is delivered; the values in the run log.
  std::vector<int64_t> Finish() {
    while (sent_ < last_ || !worker_) Deliver(1000);
    RC_ASSERT(Worker().Drain().has_value());
    RC_ASSERT(Worker().DurablePosition() >= sent_);
    worker_.reset();
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
  const std::vector<int64_t>& committed() const { return committed_; }

 private:
  void OpenJournal() {
    auto opened = Journal::Open((temp_.path() / "journal.db").string());
    RC_ASSERT(opened.has_value());
    journal_ = std::move(*opened);
    const auto runs = journal_->Runs();
    RC_ASSERT(runs.has_value());
    if (runs->empty()) {
      journal_->Begin();
      run_ = journal_->PutRun({0, "site", "opened", 1.0, 0, false});
      RC_ASSERT(journal_->Commit().has_value());
    } else {
      RC_ASSERT(runs->front().last_position == last_);
    }
    // What a new bridge knows: all that is not stored any more was confirmed.
    confirmed_ = last_;
    bool stored = false;
    RC_ASSERT(journal_
                  ->Read(run_, 0, 1,
                         [&](uint64_t first, uint32_t, std::string_view, bool whole) {
                           RC_ASSERT(whole);
                           if (!stored) confirmed_ = first - 1;
                           stored = true;
                         })
                  .has_value());
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
    journal_->Begin();
    const uint64_t position = journal_->Append(run_, count, body);
    journal_->PutRun({run_, "", "", 0, position + count - 1, false});
    if (!succeeds) {
      journal_->Rollback();
      return;
    }
    RC_ASSERT(journal_->Commit().has_value());
    last_ = position + count - 1;
    for (uint32_t i = 0; i < count; ++i) committed_.push_back(first + i);
  }

  WandbRun& Worker() {
    if (worker_) return *worker_;
    RunSpec spec;
    spec.journal = journal_->id();
    spec.job = "job";
    spec.site = "site";
    spec.run_name = "run";
    spec.side = "server";
    spec.folder = temp_.path().string();
    spec.started = 1789000000;
    spec.durable = confirmed_;
    auto opened = WandbRun::Open(spec, spec.folder, wandb::WandbArguments::Parse(Value()).value());
    RC_ASSERT(opened.has_value());
    worker_ = std::move(*opened);
    RC_ASSERT(worker_->Report().empty());
    sent_ = std::max(worker_->DurablePosition(), confirmed_);
    given_ = 0;  // it is given whole slices, also what it has of them
    return *worker_;
  }

  // Slices are given from their beginning, as the supervisor gives them.
  void Deliver(uint32_t most) {
    WandbRun& worker = Worker();
    EventDecoder decoder;
    const auto give = [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
      RC_ASSERT(whole);
      for (uint32_t i = 0; i < count && most > 0; ++i, --most) {
        const DecodedEvent decoded = decoder.Decode(body);
        RC_ASSERT(decoded.event.has_value());
        body.remove_prefix(decoded.size);
        if (first + i <= given_) continue;
        RC_ASSERT(worker.Write(first + i, *decoded.event, now_).has_value());
        given_ = first + i;
        sent_ = std::max(sent_, given_);
      }
    };
    RC_ASSERT(journal_->Read(run_, sent_, size_t{1} << 20, give).has_value());
  }

  TempFolder temp_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<WandbRun> worker_;
  int64_t run_ = 1;
  uint64_t last_ = 0, sent_ = 0, given_ = 0, confirmed_ = 0;
  std::vector<int64_t> committed_;
  Clock::time_point now_{};
};

TEST_CASE(
    "what was committed is in the run log once and in order, in whatever order things happen") {
  CHECK(rc::check([] {
    const auto commands = *rc::gen::container<std::vector<std::pair<uint8_t, uint32_t>>>(
        rc::gen::pair(rc::gen::inRange<uint8_t>(0, 9), rc::gen::inRange<uint32_t>(0, 1000)));
    System system;
    for (const auto& [command, amount] : commands) system.Do(static_cast<Command>(command), amount);
    const std::vector<int64_t> found = system.Finish();
    RC_ASSERT(found == system.committed());
  }));
}

}  // namespace
}  // namespace flarebridge
