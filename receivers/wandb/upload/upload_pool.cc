#include "receivers/wandb/upload/upload_pool.h"

#include <algorithm>

namespace flarebridge::wandb {

namespace fs = std::filesystem;

Expected<std::unique_ptr<UploadPool>> UploadPool::Start(const Account& account, size_t threads,
                                                        Callbacks callbacks) {
  HttpOptions options;
  options.user_agent = std::string("flarebridge/") + FLAREBRIDGE_VERSION;
  options.ca_file = account.ca_file;
  options.http_proxy = account.http_proxy;
  options.https_proxy = account.https_proxy;
  options.timeout = account.timeout;
  std::unique_ptr<UploadPool> pool(new UploadPool(account, std::move(callbacks)));
  for (size_t i = 0; i < threads; ++i) {
    Expected<HttpClient> client = HttpClient::Make(options);
    if (!client) return Propagate(client);
    pool->clients_.push_back(std::make_unique<HttpClient>(std::move(*client)));
  }
  for (const std::unique_ptr<HttpClient>& client : pool->clients_)
    pool->threads_.emplace_back([&pool = *pool, &client = *client] { pool.Work(client); });
  return pool;
}

UploadPool::~UploadPool() {
  Stop();
  for (std::thread& thread : threads_) thread.join();
}

bool UploadPool::Add(const fs::path& log, const UploadOptions& options) {
  const MutexLock lock(mutex_);
  Job& job = jobs_[log];
  if (job.upload) return false;
  job.upload = std::make_unique<RunUpload>(account_, limit_, log, options);
  changed_.notify_all();
  return true;
}

void UploadPool::StopFollowing() {
  const MutexLock lock(mutex_);
  following_ = false;
  for (auto& [log, job] : jobs_) job.due = Time{};
  changed_.notify_all();
}

size_t UploadPool::active() const {
  const MutexLock lock(mutex_);
  return jobs_.size();
}

void UploadPool::Stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  for (const std::unique_ptr<HttpClient>& client : clients_) client->Stop();
  changed_.notify_all();
}

bool UploadPool::WaitFor(std::chrono::milliseconds time) {
  MutexLock lock(mutex_);
  const auto settled = [this]() REQUIRES(mutex_) { return jobs_.empty() || stopped_; };
  return changed_.wait_for(lock.waitable(), time, settled) && jobs_.empty();
}

UploadPool::Job* UploadPool::Next() {
  Job* next = nullptr;
  for (auto& [log, job] : jobs_) {
    if (!job.at_work && (next == nullptr || job.due < next->due)) next = &job;
  }
  return next;
}

void UploadPool::TakeOut(const Job& job) {
  const MutexLock lock(mutex_);
  jobs_.erase(job.upload->log());
  changed_.notify_all();
}

void UploadPool::AddEarlierPart(const RunUpload& upload) {
  const fs::path& part = upload.earlier_part();
  if (part.empty()) return;
  {
    const MutexLock lock(mutex_);
    if (!earlier_parts_.insert(part).second) return;
  }
  UploadOptions options = upload.options();
  options.follow = false;  // the run has gone on in another log
  Add(part, options);
}

void UploadPool::Work(HttpClient& http) {
  MutexLock lock(mutex_);
  while (!stopped_) {
    Job* job = Next();
    if (job == nullptr) {
      changed_.wait(lock.waitable());
      continue;
    }
    // A copy: while this thread waits, another may finish the job.
    const Time due = job->due;
    if (due > Time::clock::now()) {
      changed_.wait_until(lock.waitable(), due);
      continue;
    }
    job->at_work = true;
    lock.Unlock();
    if (!following_) job->upload->StopFollowing();
    const Expected<RunUpload::Turn> turn = job->upload->Step(http);
    AddEarlierPart(*job->upload);
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

}  // namespace flarebridge::wandb
