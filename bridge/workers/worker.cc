#include "bridge/workers/worker.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bridge/process/exit_code.h"
#include "bridge/process/work_mark.h"
#include "bridge/workers/confine.h"
#include "events/event_codec.h"
#include "events/worker_frame.h"
#include "receivers/files/unique_fd.h"
#include "receivers/filter.h"
#include "receivers/receiver_settings.h"
#include "receivers/receivers.h"

namespace flarebridge {
namespace {

// How long written events may wait for the disk; each wait holds their journal space.
constexpr std::chrono::milliseconds kSyncInterval{500};
// How long the bridge may take to say which run this is.
constexpr std::chrono::seconds kOpenDeadline{10};
// How long another process may hold the run's files: the worker of a bridge that has just died.
constexpr std::chrono::seconds kBusyDeadline{20};
constexpr std::chrono::milliseconds kBusyRetry{50};
// How often the bridge hears at most that receivers read on.
constexpr std::chrono::seconds kOpeningInterval{1};

struct Output {
  Filter filter;
  std::unique_ptr<Receiver> receiver = {};  // nothing: it failed, and is left behind
  std::optional<Error> failed = {};
  uint64_t given = 0;    // last position written to it
  uint64_t durable = 0;  // when it failed
};

class Worker {
 public:
  Worker(int socket, int mark, bool confined)
      : socket_(socket), mark_(WorkMark::Open(mark)), confined_(confined) {}

  int Run() {
    Expected<void> done = Open();
    while (done && !ended_) done = Turn();
    if (done) done = Leave();
    if (done) return kExitOk;
    // With more than one receiver the bridge is to know which of them it may open again.
    if (outputs_.size() > 1) (void)Report(FrameKind::kDurable);
    Say({NoticeLevel::kError, done.error().message});
    switch (done.error().code) {
      case ErrorCode::kConfig:
        return kExitConfig;
      case ErrorCode::kBusy:
        return kExitTempFail;
      case ErrorCode::kMalformed:
        return kExitData;
      default:
        return kExitIo;
    }
  }

 private:
  // Waits for the first frame and opens the receivers it names.
  Expected<void> Open() {
    FrameReader::Frame frame{};
    const Clock::time_point deadline = Clock::now() + kOpenDeadline;
    while (true) {
      const Expected<bool> next = reader_.Next(frame);
      if (!next) return Propagate(next);
      if (*next) break;
      if (ended_ || Clock::now() >= deadline)
        return Fail(ErrorCode::kMalformed, "the bridge named no run");
      if (Expected<void> got = WaitAndFeed(deadline); !got) return got;
    }
    if (frame.kind != FrameKind::kOpen)
      return Fail(ErrorCode::kMalformed, "the first frame opens no run");
    const Expected<OpenFrame> open = ParseOpen(frame.payload);
    if (!open) return Propagate(open);
    const Expected<std::vector<ReceiverSettings>> receivers =
        ReceiverSettings::ParseAll(open->run.receivers.root(), open->run.folder);
    if (!receivers) return Propagate(receivers);
    const std::vector<std::filesystem::path> read = {open->run.blobs};
    const Confinement held = Confine(FoldersOf(*receivers), read);
    if (confined_ && !held.holds()) return FailUnconfined(held.Missing());
    if (Expected<void> opened = OpenReceivers(*open, *receivers); !opened) return opened;
    const Expected<void> narrowed = ConfineTo(FoldersOfRun(), read);
    if (confined_ && !narrowed) return FailUnconfined(narrowed.error().message);
    for (const Output& output : outputs_) {
      const auto target = output.receiver ? output.receiver->Upload() : std::nullopt;
      if (!target) continue;
      std::string told;
      AppendUpload({target->kind, target->path}, told);
      if (Expected<void> sent = SendAll(told); !sent) return sent;
    }
    return Report(FrameKind::kReady);
  }

  // What the receivers write below; made if they are not there.
  static std::vector<std::filesystem::path> FoldersOf(
      const std::vector<ReceiverSettings>& receivers) {
    std::vector<std::filesystem::path> folders;
    for (const ReceiverSettings& settings : receivers) {
      folders.emplace_back(settings.folder());
      std::error_code ignored;  // the receiver meets it again, and tells
      std::filesystem::create_directories(folders.back(), ignored);
    }
    return folders;
  }

  // What they still reach by name, now that they are open.
  std::vector<std::filesystem::path> FoldersOfRun() const {
    std::vector<std::filesystem::path> folders;
    for (const Output& output : outputs_) {
      const auto folder = output.receiver ? output.receiver->Folder() : std::nullopt;
      if (folder) folders.push_back(*folder);
    }
    return folders;
  }

  // The bridge tells what does not hold, once for all workers; only where it has to hold they do.
  static tl::unexpected<Error> FailUnconfined(const std::string& why) {
    return Fail(
        ErrorCode::kConfig,
        "the worker can't confine itself, and --require-confinement says that it has to: " + why);
  }

  // Errors: no receiver could be opened.
  Expected<void> OpenReceivers(const OpenFrame& open,
                               const std::vector<ReceiverSettings>& receivers) {
    const Clock::time_point deadline = Clock::now() + kBusyDeadline;
    for (const ReceiverSettings& settings : receivers) {
      const auto wanted = std::find_if(
          open.receivers.begin(), open.receivers.end(),
          [&](const OpenFrame::Receiver& named) { return named.name == settings.name(); });
      if (wanted == open.receivers.end() || HasOutput(settings.name())) continue;
      RunSpec spec = open.run;
      spec.durable = wanted->durable;
      Output& output = outputs_.emplace_back(Output{settings.filter()});
      Expected<std::unique_ptr<Receiver>> receiver = OpenWhenFree(spec, settings, deadline);
      if (!receiver) {
        output.failed = receiver.error();
        continue;
      }
      output.receiver = std::move(*receiver);
      output.given = output.receiver->DurablePosition();
      last_position_ = living_ == 0 ? output.given : std::min(last_position_, output.given);
      ++living_;
    }
    if (living_ == 0 && !outputs_.empty()) return WhyNoneIsLeft();
    return {};
  }

  bool HasOutput(const std::string& name) const {
    return std::any_of(outputs_.begin(), outputs_.end(),
                       [&](const Output& output) { return output.filter.receiver() == name; });
  }

  // A worker whose bridge was killed lets go of the run within moments.
  Expected<std::unique_ptr<Receiver>> OpenWhenFree(const RunSpec& spec,
                                                   const ReceiverSettings& settings,
                                                   Clock::time_point deadline) {
    while (true) {
      Expected<std::unique_ptr<Receiver>> receiver =
          OpenReceiver(spec, settings, [this] { TellOpening(); });
      if (receiver || receiver.error().code != ErrorCode::kBusy || Clock::now() >= deadline)
        return receiver;
      poll(nullptr, 0, static_cast<int>(kBusyRetry.count()));
    }
  }

  void TellOpening() {
    const Clock::time_point now = Clock::now();
    if (now - told_opening_ < kOpeningInterval) return;
    told_opening_ = now;
    std::string frame;
    AppendOpening(frame);
    (void)SendAll(frame);
  }

  // A receiver failed: it is closed and the bridge is told, the others go on. Errors: none is left.
  Expected<void> LeaveBehind(Output& output, const Error& error) {
    output.durable = DurableOf(output);
    output.failed = error;
    output.receiver.reset();
    --living_;
    if (living_ == 0) return WhyNoneIsLeft();
    return Report(FrameKind::kDurable);
  }

  // One call to each receiver that lives. Errors: none is left.
  template <class Call>
  Expected<void> Each(Call call) {
    for (Output& output : outputs_) {
      if (!output.receiver) continue;
      const Expected<void> done = call(*output.receiver);
      if (done) continue;
      if (Expected<void> left = LeaveBehind(output, done.error()); !left) return left;
    }
    return {};
  }

  // The worker's own end: what may pass, if there is any such failure, is to be tried again.
  tl::unexpected<Error> WhyNoneIsLeft() const {
    const auto passes = [](const Output& output) {
      return output.failed && output.failed->code != ErrorCode::kConfig;
    };
    const auto found = std::find_if(outputs_.begin(), outputs_.end(), passes);
    return tl::unexpected<Error>(*(found == outputs_.end() ? outputs_.front() : *found).failed);
  }

  // Waits for frames or for the next thing that is due, and does it.
  Expected<void> Turn() {
    if (Expected<void> got = WaitAndFeed(NextDue()); !got) return got;
    FrameReader::Frame frame{};
    bool run_ended = false;
    while (true) {
      const Expected<bool> next = reader_.Next(frame);
      if (!next) return Propagate(next);
      if (!*next) break;
      if (frame.kind != FrameKind::kEvents)
        return Fail(ErrorCode::kMalformed, "a frame that carries no events");
      Expected<bool> applied = Apply(frame.payload);
      if (!applied) return Propagate(applied);
      run_ended = run_ended || *applied;
    }
    const Clock::time_point now = Clock::now();
    Expected<void> flushed = Each([now](Receiver& receiver) { return receiver.Flush(now); });
    if (!flushed) return flushed;
    if (run_ended) TellReports();
    // The end of a run goes to the disk at once: the bridge waits for it.
    if (run_ended || (sync_due_ && now >= *sync_due_)) return PersistAll();
    return {};
  }

  std::optional<Clock::time_point> NextDue() const {
    std::optional<Clock::time_point> due = sync_due_;
    for (const Output& output : outputs_) {
      if (!output.receiver) continue;
      const std::optional<Clock::time_point> flush = output.receiver->NextFlush();
      if (flush && (!due || *flush < *due)) due = flush;
    }
    return due;
  }

  // Gives events to the receivers that want them. True: the run's end was among them.
  Expected<bool> Apply(std::string_view payload) {
    const Expected<EventsFrame> events = ParseEvents(payload);
    if (!events) return Propagate(events);
    const Clock::time_point now = Clock::now();
    std::string_view rest = events->body;
    bool run_ended = false;
    for (uint32_t i = 0; i < events->count; ++i) {
      const uint64_t position = events->first_position + i;
      mark_.Set(position);
      const DecodedEvent decoded = decoder_.Decode(rest);
      // The bridge has checked every event before it stored it.
      if (!decoded.event) return Propagate(decoded.event);
      rest.remove_prefix(decoded.size);
      for (Output& output : outputs_) {
        if (!output.receiver || !output.filter.Wants(*decoded.event)) continue;
        const std::optional<Event> narrowed =
            output.filter.Narrowed(*decoded.event, narrowed_tape_);
        const Event& wanted = narrowed ? *narrowed : *decoded.event;
        // Before it is written: if that fails, it counts as not there.
        output.given = position;
        const Expected<void> written = output.receiver->Write(position, wanted, now);
        if (written) continue;
        const Expected<void> left = LeaveBehind(output, written.error());
        if (!left) return Propagate(left);
      }
      last_position_ = std::max(last_position_, position);
      run_ended = run_ended || std::holds_alternative<RunEnded>(*decoded.event);
    }
    mark_.Set(0);
    if (!sync_due_) sync_due_ = now + kSyncInterval;
    return run_ended;
  }

  void TellReports() {
    for (const Output& output : outputs_) {
      const std::string report = output.receiver ? output.receiver->Report() : "";
      if (!report.empty()) Say({NoticeLevel::kWarning, output.filter.receiver() + ": " + report});
    }
  }

  Expected<void> PersistAll() {
    Expected<void> synced = Each([](Receiver& receiver) { return receiver.Persist(); });
    if (!synced) return synced;
    sync_due_.reset();
    if (Expected<void> told = Report(FrameKind::kDurable); !told) return told;
    // Rows that wait to be merged are not durable yet: look again.
    const bool all = std::all_of(outputs_.begin(), outputs_.end(), [this](const Output& output) {
      return !output.receiver || DurableOf(output) >= last_position_;
    });
    if (!all) sync_due_ = Clock::now() + kSyncInterval;
    return {};
  }

  // The bridge is gone or has no more: what waits is written, the run stays open for a later
  // worker.
  Expected<void> Leave() {
    Expected<void> drained = Each([](Receiver& receiver) { return receiver.Drain(); });
    if (!drained) return drained;
    return Report(FrameKind::kDurable);
  }

  // The highest position up to which a receiver has on disk all that it wants.
  uint64_t DurableOf(const Output& output) const {
    if (!output.receiver) return output.durable;
    const uint64_t position = output.receiver->DurablePosition();
    return position < output.given ? position : std::max(position, last_position_);
  }

  // How each receiver is.
  Expected<void> Report(FrameKind kind) {
    std::vector<ReceiverStatus> statuses;
    for (const Output& output : outputs_) {
      ReceiverStatus& status = statuses.emplace_back();
      status.name = output.filter.receiver();
      status.durable = DurableOf(output);
      if (!output.failed) continue;
      status.condition = output.failed->code == ErrorCode::kConfig ? ReceiverCondition::kRefuses
                                                                   : ReceiverCondition::kFailed;
      status.why = output.failed->message;
    }
    std::string frame;
    AppendStatus(kind, statuses, frame);
    return SendAll(frame);
  }

  void Say(const Notice& notice) {
    std::string frame;
    AppendNotice(notice, frame);
    (void)SendAll(frame);
  }

  // Reports are some bytes each and the bridge always reads: a full socket means it is stuck or
  // gone.
  Expected<void> SendAll(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0) {
        ended_ = true;  // the bridge is gone; what has been written stays
        return {};
      }
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return {};
  }

  // Waits until bytes come or the time is there, and takes over what has come.
  Expected<void> WaitAndFeed(std::optional<Clock::time_point> until) {
    int timeout = -1;
    if (until) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now());
      timeout = static_cast<int>(std::max<int64_t>(0, left.count()));
    }
    pollfd waited{socket_.get(), POLLIN, 0};
    if (poll(&waited, 1, timeout) <= 0) return {};
    const ssize_t got = recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
    if (got > 0) {
      reader_.Feed({buffer_.data(), static_cast<size_t>(got)});
    } else if (got == 0 || errno != EINTR) {
      ended_ = true;
    }
    return {};
  }

  UniqueFd socket_;
  WorkMark mark_;  // if we die, the bridge knows at which event
  bool confined_;  // or it does not work
  FrameReader reader_;
  EventDecoder decoder_;
  Tape narrowed_tape_;  // of an event of which a receiver wants a part
  std::vector<Output> outputs_;
  std::array<char, size_t{64} << 10> buffer_{};
  size_t living_ = 0;  // receivers
  uint64_t last_position_ = 0;
  std::optional<Clock::time_point> sync_due_;
  Clock::time_point told_opening_{};
  bool ended_ = false;
};

}  // namespace

int RunWorker(int socket, int mark, bool confined) {
  return std::make_unique<Worker>(socket, mark, confined)->Run();
}

}  // namespace flarebridge
