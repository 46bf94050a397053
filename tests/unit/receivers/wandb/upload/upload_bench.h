// A run's upload and its server in memory, on a clock of the test's. Used by the tests of run
// upload; one thread.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "receivers/wandb/upload/run_upload.h"
#include "tests/unit/receivers/wandb/upload/made_run.h"
#include "tests/unit/receivers/wandb/upload/scripted_server.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb::testing {

// One run, its upload and its server, on a clock that goes on only as it is asked to.
struct Bench {
  Bench() {
    service.account.base_url = "http://server";
    service.account.key = "made-up";
    service.now = [this] { return now; };
    options.retry_for = std::chrono::seconds(600);
  }
  RunUpload& Begin() {
    upload = std::make_unique<RunUpload>(service, run.log(), options);
    return *upload;
  }
  // Steps until it is done, has failed, or nothing happens for that long. True: done.
  Expected<bool> GoOn(RunUpload& with, ScriptedServer& to,
                      std::chrono::seconds most = std::chrono::seconds(3600)) {
    const auto until = now + most;
    while (now <= until) {
      const Expected<Upload::Turn> turn = with.Step(to);
      if (!turn) return Propagate(turn);
      if (turn->done) return true;
      CHECK(turn->next > Clock::time_point{});
      now = std::max(now, turn->next);
    }
    return false;
  }
  Expected<bool> GoOn(std::chrono::seconds most = std::chrono::seconds(3600)) {
    return GoOn(*upload, server, most);
  }
  bool Finishes(RunUpload& with, ScriptedServer& to) {
    const Expected<bool> done = GoOn(with, to);
    if (!done) MESSAGE(done.error().message);
    return done && *done;
  }
  bool Finishes() { return Finishes(*upload, server); }
  bool IsMarked() const { return std::filesystem::exists(run.log().string() + ".synced"); }

  flarebridge::testing::TempFolder temp;
  Clock::time_point now{std::chrono::seconds(100'000)};
  MadeRun run{temp.path()};
  ScriptedServer server{now};
  UploadService service;
  UploadOptions options;
  std::unique_ptr<RunUpload> upload;
};

}  // namespace flarebridge::wandb::testing
