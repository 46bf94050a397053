// What a log holds besides rows and files is brought to the server: alerts, console, sweep, program
// and git, preempting, and resumed parts of a run.
#include <doctest/doctest.h>

#include "receivers/wandb/upload/run_upload.h"
#include "tests/unit/receivers/wandb/upload/made_run.h"
#include "tests/unit/receivers/wandb/upload/scripted_server.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

using flarebridge::testing::TempFolder;
using protozero::pbf_writer;
using std::chrono::seconds;
using testing::MadeRun;
using testing::ScriptedServer;
using Names = std::vector<std::string>;

// Fields of Record.
constexpr uint32_t kAlertField = 10, kRunField = 17, kPreemptingField = 23, kEnvironmentField = 26;

// Uploads of logs to one server, on a clock that goes on only as it is asked to.
struct Bench {
  Bench() {
    service.account.base_url = "http://server";
    service.account.key = "made-up";
    service.now = [this] { return now; };
  }
  // To its end. Errors: the upload's; kBusy: it takes longer than an hour.
  Expected<UploadReport> Upload(const MadeRun& run, UploadOptions options = {}) {
    RunUpload upload(service, run.log(), options);
    for (const auto until = now + seconds(3600); now < until;) {
      const Expected<Upload::Turn> turn = upload.Step(server);
      if (!turn) return Propagate(turn);
      if (turn->done) return upload.report();
      now = std::max(now, turn->next);
    }
    return Fail(ErrorCode::kBusy, "not done");
  }
  std::vector<int> Steps() const {
    std::vector<int> steps;
    for (const auto& [place, row] : server.rows)
      steps.push_back(nlohmann::json::parse(row).at("_step"));
    return steps;
  }

  TempFolder temp;
  Clock::time_point now{seconds(100'000)};
  ScriptedServer server{now};
  UploadService service;
};

void RaiseAlert(MadeRun& run, const std::string& title) {
  std::string content;
  pbf_writer message(content);
  message.add_string(1, title);
  message.add_string(3, "WARN");
  run.Other(kAlertField, content);
}

TEST_CASE("alerts are sent, each once, also when all is sent again") {
  Bench bench;
  MadeRun run(bench.temp.path());
  RaiseAlert(run, "one");
  run.Rows(1);
  RaiseAlert(run, "two");
  run.End();
  const Expected<UploadReport> report = bench.Upload(run);
  REQUIRE(report);
  CHECK(bench.server.alerts == Names{"one", "two"});
  CHECK(report->left_out.empty());
  UploadOptions again;
  again.again = true;
  REQUIRE(bench.Upload(run, again));
  CHECK(bench.server.alerts.size() == 2);
}

TEST_CASE("an alert whose answer is lost is not sent again, and is told") {
  Bench bench;
  MadeRun run(bench.temp.path());
  RaiseAlert(run, "one");
  run.End();
  bench.server.Misbehave("alert", {{0, {}, true}});
  const Expected<UploadReport> report = bench.Upload(run);
  REQUIRE(report);
  CHECK(bench.server.alerts == Names{"one"});
  REQUIRE(report->no_place.size() == 1);
  CHECK(report->no_place.front().starts_with("1 alerts, which may not have arrived"));
  CHECK(report->left_out.empty());
}

TEST_CASE("an upload that dies with an alert on its way does not send it the next time") {
  Bench bench;
  MadeRun run(bench.temp.path());
  RaiseAlert(run, "one");
  run.End();
  bench.server.Before("alert", [&] { bench.server.Stop(); });
  CHECK_FALSE(bench.Upload(run).has_value());
  ScriptedServer later(bench.now);
  later.exists = true;
  RunUpload upload(bench.service, run.log(), {});
  Expected<Upload::Turn> turn = upload.Step(later);
  while (turn && !turn->done) {
    bench.now = std::max(bench.now, turn->next);
    turn = upload.Step(later);
  }
  REQUIRE(turn);
  CHECK(later.alerts.empty());
  CHECK(later.exit_codes.size() == 1);
}

TEST_CASE("a server that is asked too often gets the alert later, once") {
  Bench bench;
  MadeRun run(bench.temp.path());
  RaiseAlert(run, "one");
  run.End();
  bench.server.Misbehave("alert", {{429, 3}, {429, 3}});
  const Expected<UploadReport> report = bench.Upload(run);
  REQUIRE(report);
  CHECK(bench.server.alerts == Names{"one"});
  CHECK(bench.server.Count("alert") == 3);
  CHECK(report->no_place.empty());
}

TEST_CASE("console lines go in the form that the server takes, which is asked once") {
  for (const bool structured : {false, true}) {
    CAPTURE(structured);
    Bench bench;
    bench.server.structured = structured;
    for (const char* begun : {"100000", "110000"}) {
      MadeRun run(bench.temp.path() / begun, begun);
      run.Console("hello\n");
      run.End();
      REQUIRE(bench.Upload(run));
    }
    CHECK(bench.server.Count("features") == 1);
    REQUIRE(bench.server.console.size() == 2);
    for (const std::string& line : bench.server.console)
      CHECK(line.starts_with(structured ? R"({"ts":"2001-)" : "2001-"));
    CHECK(bench.server.files.at("output.log") == "hello\n");
  }
}

TEST_CASE("an older server, which knows no features, gets plain lines") {
  Bench bench;
  MadeRun run(bench.temp.path());
  run.Console("hello\n");
  run.End();
  bench.server.Misbehave("features", {{400}});
  REQUIRE(bench.Upload(run));
  CHECK(bench.server.console == Names{"2001-09-09T01:46:40.000000 hello"});
}

TEST_CASE("preempting is told once, and sweep, program and git go with the run") {
  Bench bench;
  MadeRun run(bench.temp.path());
  std::string more, git, environment;
  pbf_writer(git).add_string(1, "https://git/x");
  pbf_writer(git).add_string(2, "abc");
  pbf_writer(more).add_string(12, "sweep1");
  pbf_writer(more).add_message(21, git);
  run.Other(kRunField, more);
  pbf_writer(environment).add_string(6, "train.py");
  run.Other(kEnvironmentField, environment);
  run.Rows(1);
  run.Other(kPreemptingField, "");
  run.End();
  REQUIRE(bench.Upload(run));
  CHECK(bench.server.preempting == 1);
  const auto& made = bench.server.upserts.front();
  CHECK(made.at("sweep") == "sweep1");
  CHECK(made.at("repo") == "https://git/x");
  CHECK(made.at("commit") == "abc");
  CHECK(made.at("program") == "train.py");
}

TEST_CASE("preempting alone is worth a request") {
  Bench bench;
  MadeRun run(bench.temp.path());
  run.Other(kPreemptingField, "");
  REQUIRE(bench.Upload(run));
  CHECK(bench.server.preempting == 1);
}

// A part of the run; of a later one its rows count their steps anew.
void WritePart(MadeRun& run, int rows) {
  run.WithSteps();
  run.Rows(rows);
  run.End();
}

TEST_CASE("a resumed part counts its steps on, and keeps the config that is there") {
  Bench bench;
  MadeRun first(bench.temp.path()), second(bench.temp.path(), "110000", 1e9 + 50, true);
  WritePart(first, 3);
  REQUIRE(bench.Upload(first));
  bench.server.config = R"({"old":{"value":1}})";
  WritePart(second, 2);
  REQUIRE(bench.Upload(second));
  CHECK(bench.Steps() == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(nlohmann::json::parse(bench.server.summary) ==
        nlohmann::json::parse(R"({"loss":1,"_step":4})"));
  const std::string config = bench.server.upserts.back().at("config");
  CHECK(nlohmann::json::parse(config).at("old").at("value") == 1);
  CHECK(bench.server.files.at("config.yaml").find("\"old\":\n  value: 1\n") != std::string::npos);
}

TEST_CASE("a resumed part is the same at each upload: with its note, and without it") {
  Bench bench;
  MadeRun first(bench.temp.path()), second(bench.temp.path(), "110000", 1e9 + 50, true);
  WritePart(first, 3);
  REQUIRE(bench.Upload(first));
  WritePart(second, 2);
  REQUIRE(bench.Upload(second));
  const auto rows = bench.server.rows;
  UploadOptions again;
  again.again = true;
  REQUIRE(bench.Upload(second, again));
  CHECK(bench.server.rows == rows);
  std::filesystem::remove(second.log().string() + ".upload");
  REQUIRE(bench.Upload(second));
  CHECK(bench.server.rows == rows);
}

TEST_CASE("a resumed part behind rows of elsewhere counts on from the last of them") {
  Bench bench;
  bench.server.exists = true;
  bench.server.rows[0] = R"({"loss":1,"_step":41,"_timestamp":1})";
  MadeRun run(bench.temp.path(), "110000", 1e9, true);
  WritePart(run, 2);
  REQUIRE(bench.Upload(run));
  CHECK(bench.Steps() == std::vector<int>{41, 42, 43});
}

TEST_CASE("a later part that is not resumed has its own steps and its own config") {
  Bench bench;
  MadeRun first(bench.temp.path()), second(bench.temp.path(), "110000", 1e9 + 50);
  WritePart(first, 2);
  REQUIRE(bench.Upload(first));
  bench.server.config = R"({"old":{"value":1}})";
  WritePart(second, 2);
  REQUIRE(bench.Upload(second));
  CHECK(bench.Steps() == std::vector<int>{0, 1, 0, 1});
  CHECK(bench.server.files.at("config.yaml").find("old") == std::string::npos);
}

}  // namespace
}  // namespace flarebridge::wandb
