#include "receivers/upload/upload_pool.h"

#include <algorithm>

namespace flarebridge {

namespace fs = std::filesystem;

UploadPool::UploadPool(Transports transports, Open open, Callbacks callbacks)
    : transports_(std::move(transports)), open_(std::move(open)), callbacks_(std::move(callbacks)) {
  for (const std::unique_ptr<HttpTransport>& transport : transports_)
    threads_.emplace_back([this, &transport = *transport] { Work(transport); });
}

UploadPool::~UploadPool() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
}

bool UploadPool::Add(const fs::path& path, const UploadOptions& options) {
  const MutexLock lock(mutex_);
  Job& job = jobs_[path];
  if (job.upload) return false;
  job.upload = open_(path, options);
  job.number = ++added_;
  changed_.notify_all();
  return true;
}

void UploadPool::StopFollowing() {
  const MutexLock lock(mutex_);
  following_ = false;
  for (auto& [path, job] : jobs_) job.due = Time{};
  changed_.notify_all();
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
}

bool UploadPool::WaitFor(std::chrono::milliseconds time) {
  MutexLock lock(mutex_);
  const auto settled = [this]() REQUIRES(mutex_) { return jobs_.empty() || stopped_; };
  return changed_.wait_for(lock.waitable(), time, settled) && jobs_.empty();
}

UploadPool::Job* UploadPool::Next() {
  Job* next = nullptr;
  for (auto& [path, job] : jobs_) {
    if (!job.at_work && (next == nullptr || job.due < next->due)) next = &job;
  }
  return next;
}

void UploadPool::TakeOut(const Job& job) {
  const MutexLock lock(mutex_);
  jobs_.erase(job.upload->path());
  changed_.notify_all();
}

void UploadPool::AddEarlierPart(const Upload& upload) {
  const fs::path& part = upload.earlier_part();
  if (part.empty()) return;
  {
    const MutexLock lock(mutex_);
    if (!earlier_parts_.insert(part).second) return;
  }
  UploadOptions options = upload.options();
  options.follow = false;  // the run has gone on in another one
  Add(part, options);
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

void UploadPool::Work(HttpTransport& http) {
  MutexLock lock(mutex_);
  while (!stopped_) {
    Job* job = Next();
    if (job == nullptr) {
      changed_.wait(lock.waitable());
      continue;
    }
    // A copy: while this thread waits, another may finish the job.
    const Time due = job->due;
    if (due > Clock::now()) {
      changed_.wait_until(lock.waitable(), due);
      continue;
    }
    job->at_work = true;
    lock.Unlock();
    if (!following_) job->upload->StopFollowing();
    const Expected<Upload::Turn> turn = Outcome(*job, job->upload->Step(http));
    if (turn) AddEarlierPart(*job->upload);
    {
      const MutexLock calling(callback_mutex_);
      callbacks_.progress(*job->upload);
      if (turn && turn->done) callbacks_.done(*job->upload);
      if (!turn && !http.stopped()) callbacks_.failed(*job->upload, turn.error());
    }
    if (!turn || turn->done) {
      TakeOut(*job);
      lock.Lock();
      continue;
    }
    lock.Lock();
    job->due = turn->next;
    job->at_work = false;
    // Another thread may be waiting for a later one.
    changed_.notify_one();
  }
}

}  // namespace flarebridge
