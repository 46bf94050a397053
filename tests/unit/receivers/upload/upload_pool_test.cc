#include "receivers/upload/upload_pool.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

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
  explicit Bench(size_t threads) {
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
        std::move(callbacks));
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

}  // namespace
}  // namespace flarebridge
