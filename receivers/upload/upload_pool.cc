#include "receivers/upload/upload_pool.h"

#include <sys/resource.h>

#include <algorithm>

namespace flarebridge {

namespace fs = std::filesystem;

UploadPool::Window UploadPool::WindowFor(size_t threads) {
  // A log and the lock of its folder.
  constexpr size_t kEach = 2;
  // Connections to the server and its storage, a file, a name that is looked up; the process's own.
  constexpr size_t kEachThread = 8, kOwn = 24;
  constexpr size_t kLeast = 4;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  const size_t used = kOwn + kEachThread * threads;
  const size_t most = limit.rlim_cur > used ? (limit.rlim_cur - used) / kEach : 0;
  const size_t follow = std::max(most, kLeast);
  return {std::min(follow, std::max(2 * threads, kLeast)), follow};
}

UploadPool::UploadPool(Transports transports, Open open, Window window, Callbacks callbacks)
    : transports_(std::move(transports)),
      open_(std::move(open)),
      window_(window),
      callbacks_(std::move(callbacks)) {
  for (const std::unique_ptr<HttpTransport>& transport : transports_)
    threads_.emplace_back([this, &transport = *transport] { Work(transport); });
}

UploadPool::~UploadPool() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
  watch_.reset();  // it calls until then
}

void UploadPool::WatchFiles() {
  watch_ = FileWatch::Start([this](const fs::path& file) {
    const MutexLock lock(mutex_);
    const auto job = jobs_.find(file);
    if (job == jobs_.end()) return;
    job->second.watched = false;
    Wake(job->second);
  });
}

bool UploadPool::Add(const fs::path& path, const UploadOptions& options) {
  const MutexLock lock(mutex_);
  Job& job = jobs_[path];
  if (job.upload) return false;
  job.upload = open_(path, options);
  job.number = ++added_;
  closed_[job.number] = &job;
  OpenMore();
  return true;
}

void UploadPool::OpenMore() {
  while (!closed_.empty()) {
    Job& job = *closed_.begin()->second;
    const bool follows = following_ && job.upload->options().follow;
    if (opened_ >= (follows ? window_.follow : window_.finish)) return;
    OpenJob(job);
  }
}

void UploadPool::OpenJob(Job& job) {
  closed_.erase(job.number);
  job.open = true;
  ++opened_;
  MakeDue(job, Time{});
}

void UploadPool::MakeDue(Job& job, Time due) {
  job.due = due;
  const auto [place, added] = due_.emplace(due, &job);
  // Whoever waits, waits for a later one.
  if (place == due_.begin()) changed_.notify_all();
}

void UploadPool::StopFollowing() {
  const MutexLock lock(mutex_);
  following_ = false;
  const auto due = std::exchange(due_, {});
  for (const auto& [time, job] : due) MakeDue(*job, Time{});
}

size_t UploadPool::active() const {
  const MutexLock lock(mutex_);
  return jobs_.size();
}

void UploadPool::Stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  for (const std::unique_ptr<HttpTransport>& transport : transports_) transport->Stop();
  changed_.notify_all();
  settled_.notify_all();
}

bool UploadPool::WaitFor(std::chrono::milliseconds time) {
  MutexLock lock(mutex_);
  const auto settled = [this]() REQUIRES(mutex_) { return jobs_.empty() || stopped_; };
  return settled_.wait_for(lock.waitable(), time, settled) && jobs_.empty();
}

void UploadPool::TakeOut(const Job& job) {
  std::erase_if(errands_, [&](const Sent& sent) { return sent.number == job.number; });
  --opened_;
  if (job.watched) watch_->Forget(job.upload->path());
  jobs_.erase(job.upload->path());
  OpenMore();
  settled_.notify_all();
}

void UploadPool::AddEarlierPart(const Upload& upload) {
  const fs::path& part = upload.earlier_part();
  if (part.empty()) return;
  bool is_new = false;
  {
    const MutexLock lock(mutex_);
    is_new = earlier_parts_.insert(part).second;
  }
  UploadOptions options = upload.options();
  options.follow = false;  // the run has gone on in another one
  if (is_new) Add(part, options);
  // Whatever is open already may wait for it.
  const MutexLock lock(mutex_);
  const auto job = jobs_.find(part);
  if (job != jobs_.end() && !job->second.open) OpenJob(job->second);
}

Expected<Upload::Turn> UploadPool::Outcome(const Job& job, Expected<Upload::Turn> turn) {
  const MutexLock lock(mutex_);
  if (turn && !turn->done) {
    const auto failed = failed_.find(job.upload->earlier_part());
    if (failed == failed_.end() || failed->second.at < job.number) return turn;
    const Error& why = failed->second.error;
    turn = Fail(why.code, "an earlier part of the run is not uploaded: " + why.message);
  }
  if (!turn) {
    failed_.insert_or_assign(job.upload->path(), Failure{added_, turn.error()});
    earlier_parts_.erase(job.upload->path());  // whoever is added later may try it again
  }
  return turn;
}

std::optional<UploadPool::Sent> UploadPool::NextErrand() {
  const size_t most = std::max<size_t>(transports_.size() / 2, 1);
  if (errands_.empty() || errands_at_work_ >= most) return std::nullopt;
  Sent sent = std::move(errands_.front());
  errands_.pop_front();
  ++errands_at_work_;
  return sent;
}

void UploadPool::ErrandIsOver(const Sent& sent) {
  --errands_at_work_;
  const auto found = jobs_.find(sent.path);
  if (found == jobs_.end() || found->second.number != sent.number) return;
  Wake(found->second);
}

void UploadPool::Wake(Job& job) {
  job.woken = true;
  if (due_.erase({job.due, &job}) > 0) MakeDue(job, Time{});
}

UploadPool::Time UploadPool::After(Job& job, const Upload::Turn& turn) {
  const bool to_finish = !following_ && job.upload->options().follow;
  if (job.woken || to_finish) return Time{};
  if (!turn.if_quiet || !watch_) return turn.next;
  if (job.watched) return *turn.if_quiet;
  // What was written before is seen by one step more.
  job.watched = watch_->Watch(job.upload->path());
  return job.watched ? Time{} : turn.next;
}

UploadPool::Job* UploadPool::NextStep() {
  if (due_.empty() || due_.begin()->first > Clock::now()) return nullptr;
  Job& job = *due_.begin()->second;
  due_.erase(due_.begin());
  job.woken = false;
  return &job;
}

Expected<Upload::Turn> UploadPool::Step(const Job& job, HttpTransport& http) {
  if (!following_) job.upload->StopFollowing();
  Expected<Upload::Turn> turn = Outcome(job, job.upload->Step(http));
  if (turn) AddEarlierPart(*job.upload);
  const MutexLock calling(callback_mutex_);
  callbacks_.progress(*job.upload);
  if (turn && turn->done) callbacks_.done(*job.upload);
  if (!turn && !http.stopped()) callbacks_.failed(*job.upload, turn.error());
  return turn;
}

void UploadPool::StepIsOver(Job& job, const Expected<Upload::Turn>& turn) {
  if (!turn || turn->done) {
    TakeOut(job);
    return;
  }
  for (const std::shared_ptr<Errand>& errand : turn->errands)
    errands_.push_back({errand, job.upload->path(), job.number});
  if (!turn->errands.empty()) changed_.notify_all();
  MakeDue(job, After(job, *turn));
}

void UploadPool::Work(HttpTransport& http) {
  MutexLock lock(mutex_);
  while (!stopped_) {
    if (const std::optional<Sent> sent = NextErrand()) {
      lock.Unlock();
      sent->errand->Run(http);
      lock.Lock();
      ErrandIsOver(*sent);
    } else if (Job* job = NextStep()) {
      if (!due_.empty()) changed_.notify_one();  // somebody is to wait for it
      lock.Unlock();
      const Expected<Upload::Turn> turn = Step(*job, http);
      lock.Lock();
      StepIsOver(*job, turn);
    } else if (due_.empty() || watched_) {
      changed_.wait(lock.waitable());
    } else {
      watched_ = true;
      const Time due = due_.begin()->first;  // a copy: another thread may take it meanwhile
      changed_.wait_until(lock.waitable(), due);
      watched_ = false;
    }
  }
}

}  // namespace flarebridge
