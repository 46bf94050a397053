#include "receivers/upload/upload_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <string>
#include <utility>

#include "events/mutex.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class NoTransport : public HttpTransport {
 public:
  Expected<HttpResponse> Send(const HttpRequest&) override {
    return Fail(ErrorCode::kIo, "nothing is asked here");
  }
};

// Goes on as its path says: "bad" fails, "endless" follows until it is told not to, "later" waits
// for "earlier", "lost" for "bad", all others are done at their third step.
class ScriptedUpload : public Upload {
 public:
  ScriptedUpload(fs::path path, const UploadOptions& options, const std::atomic<bool>& earlier_done)
      : path_(std::move(path)), options_(options), earlier_done_(earlier_done) {}
  Expected<Turn> Step(HttpTransport& http) override {
    if (http.stopped()) return Fail(ErrorCode::kBusy, "stopped");
    if (path_ == "bad") return Fail(ErrorCode::kForbidden, "refused");
    earlier_ = path_ == "later" && !earlier_done_ ? "earlier" : path_ == "lost" ? "bad" : "";
    const bool waits = !earlier_.empty() || (path_ == "endless" && options_.follow);
    return Turn{!waits && ++steps_ >= 3, Clock::now()};
  }
  void StopFollowing() override { options_.follow = false; }
  const fs::path& earlier_part() const override { return earlier_; }
  const UploadOptions& options() const override { return options_; }
  const fs::path& path() const override { return path_; }
  std::string name() const override { return path_.string(); }
  bool created() const override { return steps_ > 0; }
  Progress progress() const override { return {}; }
  UploadReport report() const override { return {}; }

 private:
  fs::path path_, earlier_;
  UploadOptions options_;
  const std::atomic<bool>& earlier_done_;
  int steps_ = 0;
};

struct Bench {
  explicit Bench(size_t threads, UploadPool::Window window = {1000, 1000}) {
    UploadPool::Transports transports;
    for (size_t i = 0; i < threads; ++i) transports.push_back(std::make_unique<NoTransport>());
    UploadPool::Callbacks callbacks;
    callbacks.progress = [](const Upload&) {};
    callbacks.done = [this](const Upload& upload) {
      done.push_back(upload.name());
      if (upload.name() == "earlier") earlier_done = true;
    };
    callbacks.failed = [this](const Upload& upload, const Error& error) {
      failed.push_back(upload.name() + ": " + error.message);
    };
    pool = std::make_unique<UploadPool>(
        std::move(transports),
        [this](const fs::path& path, const UploadOptions& options) {
          return std::make_unique<ScriptedUpload>(path, options, earlier_done);
        },
        window, std::move(callbacks));
  }
  std::atomic<bool> earlier_done = false;
  std::vector<std::string> done, failed;  // the pool calls one at a time
  std::unique_ptr<UploadPool> pool;       // the last, to go first
};

TEST_CASE("few threads bring many uploads to their ends, and one that fails holds up no other") {
  Bench bench(2);
  for (int i = 0; i < 20; ++i) CHECK(bench.pool->Add("run " + std::to_string(i), {}));
  CHECK(bench.pool->Add("bad", {}));
  REQUIRE(bench.pool->WaitFor(seconds(20)));
  CHECK(bench.done.size() == 20);
  CHECK(bench.failed == std::vector<std::string>{"bad: refused"});
  CHECK(bench.pool->active() == 0);
}

TEST_CASE("what has to be uploaded before another is added by itself") {
  Bench bench(1);
  bench.pool->Add("later", {});
  REQUIRE(bench.pool->WaitFor(seconds(20)));
  CHECK(bench.done == std::vector<std::string>{"earlier", "later"});
}

TEST_CASE("what waits for a part that fails fails with it, also when it is tried again") {
  Bench bench(1);
  for (size_t times = 1; times <= 2; ++times) {
    bench.pool->Add("lost", {});
    REQUIRE(bench.pool->WaitFor(seconds(20)));
    CHECK(bench.failed.size() == 2 * times);
    CHECK(bench.failed.back() == "lost: an earlier part of the run is not uploaded: refused");
  }
}

TEST_CASE("one path is uploaded once at a time") {
  Bench bench(1);
  UploadOptions follow;
  follow.follow = true;
  CHECK(bench.pool->Add("endless", follow));
  CHECK_FALSE(bench.pool->Add("endless", follow));
  bench.pool->StopFollowing();
  REQUIRE(bench.pool->WaitFor(seconds(20)));
  CHECK(bench.done == std::vector<std::string>{"endless"});
}

TEST_CASE("a stop ends what is at work, and is no failure of it") {
  Bench bench(2);
  UploadOptions follow;
  follow.follow = true;
  bench.pool->Add("endless", follow);
  bench.pool->Stop();
  bench.pool.reset();
  CHECK(bench.done.empty());
  CHECK(bench.failed.empty());
}

// What uploads with errands do together, and whoever waits for it.
class Scene {
 public:
  int steps = 0, open = 0, most_open = 0, at_work = 0, most_at_work = 0;
  bool may_end = false;  // errands

  void Change(const std::function<void(Scene&)>& change) {
    const MutexLock lock(mutex_);
    change(*this);
    most_open = std::max(most_open, open);
    most_at_work = std::max(most_at_work, at_work);
    changed_.notify_all();
  }
  // Waits for it, 20 s at most. True: it has come.
  bool Comes(const std::function<bool(const Scene&)>& condition) {
    MutexLock lock(mutex_);
    return changed_.wait_for(lock.waitable(), seconds(20), [&] { return condition(*this); });
  }
  // Until errands may end, or the pool stops.
  void WaitForEnd(const HttpTransport& http) {
    MutexLock lock(mutex_);
    while (!may_end && !http.stopped())
      changed_.wait_for(lock.waitable(), std::chrono::milliseconds(20));
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
};

class SlowErrand : public Errand {
 public:
  explicit SlowErrand(Scene& scene) : scene_(scene) {}
  void Run(HttpTransport& http) override {
    scene_.Change([](Scene& scene) { ++scene.at_work; });
    scene_.WaitForEnd(http);
    scene_.Change([](Scene& scene) { --scene.at_work; });
    over = true;
  }
  std::atomic<bool> over = false;

 private:
  Scene& scene_;
};

// Has an errand, and is done when that is over.
class UploadWithErrand : public ScriptedUpload {
 public:
  UploadWithErrand(const fs::path& path, const UploadOptions& options, Scene& scene)
      : ScriptedUpload(path, options, never_), scene_(scene) {}
  ~UploadWithErrand() override {
    if (errand_) scene_.Change([](Scene& scene) { --scene.open; });
  }
  Expected<Turn> Step(HttpTransport&) override {
    const auto later = Clock::now() + seconds(3600);
    scene_.Change([this](Scene& scene) {
      ++scene.steps;
      if (!errand_) ++scene.open;
    });
    if (errand_) return Turn{errand_->over, later};
    errand_ = std::make_shared<SlowErrand>(scene_);
    return Turn{false, later, {errand_}};
  }

 private:
  const std::atomic<bool> never_ = false;
  Scene& scene_;
  std::shared_ptr<SlowErrand> errand_;
};

struct ErrandBench {
  ErrandBench(size_t threads, UploadPool::Window window) {
    UploadPool::Transports transports;
    for (size_t i = 0; i < threads; ++i) transports.push_back(std::make_unique<NoTransport>());
    UploadPool::Callbacks callbacks;
    callbacks.progress = [](const Upload&) {};
    callbacks.done = [this](const Upload&) { ++done; };
    callbacks.failed = [](const Upload&, const Error&) {};
    pool = std::make_unique<UploadPool>(
        std::move(transports),
        [this](const fs::path& path, const UploadOptions& options) {
          return std::make_unique<UploadWithErrand>(path, options, scene);
        },
        window, std::move(callbacks));
  }
  void Add(int count, const UploadOptions& options = {}) {
    for (int i = 0; i < count; ++i) pool->Add("run " + std::to_string(i), options);
  }
  Scene scene;
  std::atomic<int> done = 0;
  std::unique_ptr<UploadPool> pool;  // the last, to go first
};

TEST_CASE("errands have half of the threads, and steps go on beside them") {
  ErrandBench bench(4, {100, 100});
  bench.Add(20);
  CHECK(bench.scene.Comes([](const Scene& s) { return s.steps == 20 && s.at_work == 2; }));
  CHECK(bench.done == 0);
  bench.scene.Change([](Scene& scene) { scene.may_end = true; });
  REQUIRE(bench.pool->WaitFor(seconds(20)));
  CHECK(bench.done == 20);
  CHECK(bench.scene.most_at_work == 2);
}

TEST_CASE("one thread is enough for steps and errands, in turn") {
  ErrandBench bench(1, {100, 100});
  bench.scene.may_end = true;
  bench.Add(20);
  REQUIRE(bench.pool->WaitFor(seconds(20)));
  CHECK(bench.done == 20);
}

TEST_CASE("of many uploads a few are open at once, and more of those that wait for more") {
  for (const bool follow : {false, true}) {
    ErrandBench bench(4, {3, 7});
    UploadOptions options;
    options.follow = follow;
    bench.Add(10'000, options);
    const int most = follow ? 7 : 3;
    CHECK(bench.scene.Comes([most](const Scene& scene) { return scene.steps == most; }));
    bench.scene.Change([](Scene& scene) { scene.may_end = true; });
    REQUIRE(bench.pool->WaitFor(seconds(60)));
    CHECK(bench.done == 10'000);
    CHECK(bench.scene.most_open == most);
  }
}

TEST_CASE("a stop ends errands that are at work, and those to come are never begun") {
  ErrandBench bench(4, {100, 100});
  bench.Add(20);
  CHECK(bench.scene.Comes([](const Scene& scene) { return scene.at_work == 2; }));
  bench.pool.reset();
  CHECK(bench.done == 0);
  CHECK(bench.scene.most_at_work == 2);
}

TEST_CASE("an earlier part that is not open yet is opened when another waits for it") {
  Bench bench(1, {1, 1});
  bench.pool->Add("later", {});
  bench.pool->Add("x", {});
  bench.pool->Add("earlier", {});
  REQUIRE(bench.pool->WaitFor(seconds(20)));
  CHECK(bench.done.size() == 3);
  CHECK(bench.done.front() == "earlier");
}

// Is quiet for an hour if its file is, and counts its steps.
class QuietUpload : public ScriptedUpload {
 public:
  QuietUpload(const fs::path& path, const UploadOptions& options, Scene& scene)
      : ScriptedUpload(path, options, never_), scene_(scene) {}
  Expected<Turn> Step(HttpTransport&) override {
    scene_.Change([](Scene& scene) { ++scene.steps; });
    const auto now = Clock::now();
    return Turn{false, now + std::chrono::milliseconds(1), {}, now + seconds(3600)};
  }

 private:
  const std::atomic<bool> never_ = false;
  Scene& scene_;
};

TEST_CASE("what is quiet is looked at when its file is written, where that is noticed") {
  const testing::TempFolder temp;
  const fs::path file = temp.path() / "log";
  std::ofstream(file) << "begun";
  for (const bool watched : {true, false}) {
    Scene scene;
    UploadPool::Transports transports;
    for (size_t i = 0; i < 3; ++i) transports.push_back(std::make_unique<NoTransport>());
    UploadPool::Callbacks callbacks;
    callbacks.progress = [](const Upload&) {};
    UploadPool pool(
        std::move(transports),
        [&](const fs::path& path, const UploadOptions& options) {
          return std::make_unique<QuietUpload>(path, options, scene);
        },
        {100, 100}, callbacks);
    if (watched) pool.WatchFiles();
    pool.Add(file, {});
    if (!watched) {
      CHECK(scene.Comes([](const Scene& s) { return s.steps > 10; }));
      continue;
    }
    // A first step, and one more behind the beginning of the watch; then two for what is written.
    for (const int steps : {2, 4, 6}) {
      CHECK(scene.Comes([steps](const Scene& s) { return s.steps >= steps; }));
      CHECK_FALSE(pool.WaitFor(std::chrono::milliseconds(30)));
      scene.Change([steps](const Scene& s) { CHECK(s.steps == steps); });
      std::ofstream(file, std::ios::app) << "more";
    }
  }
}

}  // namespace
}  // namespace flarebridge
