#include "bridge/uploads/upload_supervisor.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <chrono>

#include "bridge/process/exit_code.h"
#include "bridge/uploads/uploader_program.h"

namespace flarebridge {
namespace {

using std::chrono::steady_clock;

// The exit status of a program whose libraries the loader does not find.
constexpr int kCantBeLoaded = 127;
// What helps when nothing can be uploaded now.
constexpr const char* kLater =
    ". Runs are written all the same; upload them later with: flarebridge sync FOLDER";

RestartPolicy::Deadlines UploadDeadlines() {
  RestartPolicy::Deadlines policy;
  policy.stop_deadline = std::chrono::hours(24 * 365);  // it may upload for days
  return policy;
}

// No other bridge has the word: a process's id comes again, but not at the same time.
std::string WordForThisBridge() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::to_string(getpid()) + "-" + std::to_string(now.count());
}

}  // namespace

UploadSupervisor::UploadSupervisor(EventLoop& loop, const std::string& folder,
                                   std::vector<std::string> secrets, Callbacks callbacks)
    : loop_(loop),
      bridge_(WordForThisBridge()),
      queue_(folder, bridge_),
      secrets_(std::move(secrets)),
      callbacks_(std::move(callbacks)),
      restarts_(UploadDeadlines()) {}

UploadSupervisor::~UploadSupervisor() {
  if (process_) process_->LetGo();
  Release();
}

void UploadSupervisor::Start(Time now) {
  if (!queue_.empty()) Act(restarts_.OnWork(now), now);
}

void UploadSupervisor::Add(const UploadTarget& target, Time now) {
  if (const Expected<void> added = queue_.Add(target); !added)
    callbacks_.notice(
        {NoticeLevel::kError, "a run can't be put down for its upload: " + added.error().message +
                                  "; upload it later with: " + "flarebridge sync " + target.path});
  Act(restarts_.OnWork(now), now);
}

void UploadSupervisor::Finish(Time now) {
  if (finishing_) return;
  finishing_ = true;
  if (process_) {
    restarts_.OnStop(now);
    process_->CloseStream();
  }
}

bool UploadSupervisor::Done() const {
  const RestartPolicy::State state = restarts_.state();
  return !process_ && (state == RestartPolicy::State::kIdle ||
                       state == RestartPolicy::State::kFailed || stopped_);
}

void UploadSupervisor::Stop() {
  stopped_ = true;
  if (process_) process_->Terminate();
}

void UploadSupervisor::Act(RestartPolicy::Action action, Time now) {
  if (action == RestartPolicy::Action::kSpawn && !stopped_) Spawn(now);
  if (action == RestartPolicy::Action::kKill && process_) process_->Kill();
}

void UploadSupervisor::Spawn(Time now) {
  const Expected<std::string> program = FindUploader();
  if (!program) {
    // Trying again does not help.
    callbacks_.notice({NoticeLevel::kError, program.error().message + kLater});
    restarts_.OnExit(now, false, true);
    return;
  }
  Expected<std::unique_ptr<ChildProcess>> process = ChildProcess::Spawn(
      {.path = *program,
       .arguments = {"upload", "--queue", queue_.folder().string(), "--bridge", bridge_},
       .environment = secrets_});
  if (!process) {
    callbacks_.notice({NoticeLevel::kError, process.error().message});
    restarts_.OnExit(now, false, false);
    return;
  }
  process_ = std::move(*process);
  reader_ = FrameReader();
  const auto socket = loop_.Add(process_->socket(), EPOLLIN, [this](uint32_t) { OnReadable(); });
  const auto exit =
      loop_.Add(process_->end(), EPOLLIN, [this](uint32_t) { OnExit(steady_clock::now()); });
  if (!socket || !exit) {
    Release();
    restarts_.OnExit(now, false, false);
    return;
  }
  restarts_.OnReady(now);
  if (finishing_) {
    restarts_.OnStop(now);
    process_->CloseStream();
  }
}

void UploadSupervisor::OnReadable() {
  if (!process_) return;
  std::string bytes;
  const bool open = process_->Receive(bytes);
  reader_.Feed(bytes);
  FrameReader::Frame frame{};
  Expected<bool> next = reader_.Next(frame);
  for (; next && *next; next = reader_.Next(frame)) OnFrame(frame);
  // Nothing behind a frame that can't be read can be understood: the next one goes on from the
  // queue.
  if (!next) process_->Kill();
  if (!open || !next) loop_.Remove(process_->socket());
}

void UploadSupervisor::OnFrame(const FrameReader::Frame& frame) {
  if (frame.kind == FrameKind::kNotice) {
    if (const Expected<Notice> notice = ParseNotice(frame.payload)) callbacks_.notice(*notice);
  } else if (frame.kind == FrameKind::kStop) {
    if (const Expected<StopFrame> stop = ParseStop(frame.payload)) {
      const auto& [kind, path] = stop->target;
      callbacks_.stop({std::string(kind), std::string(path)}, std::string(stop->words));
    }
  }
}

void UploadSupervisor::OnExit(Time now) {
  if (!process_) return;
  OnReadable();  // its last words
  const std::optional<ChildProcess::Exit> exit = process_->Reap();
  if (!exit) return;
  Release();
  const bool unloadable = exit->signal == 0 && exit->status == kCantBeLoaded;
  const bool final = unloadable || (exit->signal == 0 && exit->status == kExitConfig);
  const bool expected = exit->signal == 0 && !final;
  restarts_.OnExit(now, expected, final);
  if (stopped_) return;
  if (unloadable)
    callbacks_.notice(
        {NoticeLevel::kError,
         std::string("flarebridge-upload can't be loaded: a library is missing (apt-get install "
                     "libcurl4)") +
             kLater});
  // What was added while it left, and it has not seen.
  if (exit->status == kExitOk && expected && !queue_.empty()) Act(restarts_.OnWork(now), now);
  if (!expected && !final)
    callbacks_.notice(
        {NoticeLevel::kWarning, "the uploader " + exit->Describe() + "; it is started again"});
}

void UploadSupervisor::Release() {
  if (!process_) return;
  loop_.Remove(process_->socket());
  loop_.Remove(process_->end());
  process_.reset();
}

void UploadSupervisor::OnTimer(Time now) { Act(restarts_.OnTimer(now), now); }

}  // namespace flarebridge
