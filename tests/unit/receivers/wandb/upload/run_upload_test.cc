#include "receivers/wandb/upload/run_upload.h"

#include <doctest/doctest.h>

#include "tests/unit/receivers/wandb/upload/upload_bench.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using Bench = testing::UploadBench;
using testing::MadeRun;
using testing::ScriptedServer;
using Names = std::vector<std::string>;

TEST_CASE("a whole run goes in one order: a look, the run, lines, files, the count, its end") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.File("a.txt", "content");
  bench.run.End(3);
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.requests == Names{"look", "create", "lines 0+3", "ask 1", "put a.txt", "ask 2",
                                       "put config.yaml", "put wandb-summary.json", "count",
                                       "end"});
  CHECK(bench.server.rows == std::map<uint64_t, std::string>{
                                 {0, R"({"loss":0})"}, {1, R"({"loss":1})"}, {2, R"({"loss":2})"}});
  CHECK(bench.server.reported == Names{"a.txt", "config.yaml", "wandb-summary.json"});
  CHECK(bench.server.exit_codes == std::vector<int>{3});
  CHECK(bench.server.summary == R"({"loss":2})");
  CHECK(bench.IsMarked());
  const UploadReport report = bench.upload->report();
  CHECK(report.rows == 3);
  CHECK(report.ended);
  CHECK(report.verified);
  CHECK(report.left_out.empty());
  CHECK(report.url == "http://server/e/p/runs/abc");
}

TEST_CASE("an answer that is lost is asked for again, with the same lines at the same places") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.server.Misbehave("lines", {{0, {}, true}, {0, {}, true}});
  bench.server.Misbehave("end", {{0, {}, true}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("lines 0+3") == 3);
  CHECK(bench.server.rows.size() == 3);
  CHECK(bench.server.exit_codes == std::vector<int>{0, 0});
  CHECK(bench.upload->report().verified);
}

TEST_CASE("a server that is asked too often is left alone for as long as it says") {
  Bench bench;
  bench.run.Rows(1);
  bench.run.End();
  bench.server.Misbehave("lines", {{429, 7}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  REQUIRE(bench.server.requests[2] == "lines 0+1");
  REQUIRE(bench.server.requests[3] == "lines 0+1");
  CHECK(bench.server.times[3] - bench.server.times[2] >= seconds(7));
  CHECK(bench.server.times[3] - bench.server.times[2] < seconds(8));
}

TEST_CASE("status 500 is tried again after longer and longer waits, and the run goes on") {
  Bench bench;
  bench.run.Rows(2);
  bench.run.End();
  bench.server.Misbehave("create", {{500}, {503}, {500}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("create") == 4);
  const std::vector<Clock::time_point>& times = bench.server.times;
  CHECK(times[2] - times[1] >= seconds(2));
  CHECK(times[3] - times[2] >= seconds(4));
  CHECK(times[4] - times[3] >= seconds(8));
  CHECK(times[4] - times[3] < seconds(11));
  CHECK(bench.server.rows.size() == 2);
  CHECK(bench.upload->progress().waiting.empty());
}

TEST_CASE("a server that fails for too long is given up, and what it has confirmed stays") {
  Bench bench;
  bench.run.Rows(2);
  bench.run.End();
  bench.options.retry_for = seconds(30);
  bench.server.Misbehave("end", std::vector<ScriptedServer::Fault>(100, {500}));
  const auto begun = bench.now;
  bench.Begin();
  const Expected<bool> done = bench.GoOn();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().code == ErrorCode::kIo);
  CHECK(done.error().message ==
        "ending the run failed for too long: status 500 from http://server");
  CHECK(bench.now - begun < seconds(40));
  CHECK_FALSE(bench.IsMarked());
  CHECK(ReadState(bench.run.log(), "http://server").lines.at(kHistoryStream) == 2);
}

TEST_CASE("a refusal ends the upload at once, with words") {
  Bench bench;
  bench.run.Rows(2);
  bench.server.Misbehave("lines", {{401}});
  bench.Begin();
  const Expected<bool> done = bench.GoOn();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().code == ErrorCode::kForbidden);
  CHECK(done.error().message ==
        "sending rows was refused: status 401: http://server does not accept the API key");
}

TEST_CASE("a file that the server gives no place is left out and named, and the run ends") {
  Bench bench;
  bench.run.File("a.txt", "a");
  bench.run.File("b.txt", "b");
  bench.run.End();
  bench.server.unwanted = {"a.txt"};
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("put a.txt") == 0);
  CHECK(bench.server.Count("put b.txt") == 1);
  const UploadReport report = bench.upload->report();
  CHECK(report.left_out == Names{"the file a.txt: it is not taken by the server"});
  CHECK(bench.server.exit_codes.size() == 1);
  CHECK_FALSE(bench.IsMarked());
}

TEST_CASE("a file that is gone when its turn comes, or leads out of the folder, is named") {
  Bench bench;
  bench.run.File("a.txt", "a");
  bench.run.File("../out.txt", "out");
  bench.run.End();
  bench.server.Misbehave("put", {{404}});
  bench.server.Before("put",
                      [&] { fs::remove(bench.run.log().parent_path() / "files" / "a.txt"); });
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("put a.txt") == 1);
  CHECK(bench.server.Count("put out.txt") == 0);
  CHECK(bench.upload->report().left_out.size() == 2);
  CHECK_FALSE(bench.IsMarked());
}

TEST_CASE("a count that stays short has all rows sent once more, and is told if it stays so") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.server.counted = 1;
  const auto begun = bench.now;
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("lines 0+3") == 2);
  CHECK(bench.now - begun > seconds(60));
  CHECK(bench.now - begun < seconds(90));
  const UploadReport report = bench.upload->report();
  CHECK_FALSE(report.verified);
  CHECK(report.left_out == Names{"rows: the server has counted 1 of 3"});
  CHECK(bench.server.exit_codes == std::vector<int>{0});
  CHECK_FALSE(bench.IsMarked());
}

TEST_CASE("a count that is right a while later needs no row twice") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.server.counted = 1;
  bench.server.Before("count", [&] {
    if (bench.server.Count("count") > 5) bench.server.counted.reset();
  });
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("lines 0+3") == 1);
  CHECK(bench.server.Count("count") == 6);
  CHECK(bench.upload->report().verified);
}

TEST_CASE("a count that can't be had does not hold the run up, and the run is not marked") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.server.Misbehave("count", {{400}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("count") == 1);
  CHECK_FALSE(bench.upload->report().verified);
  CHECK(bench.upload->report().left_out.size() == 1);
  CHECK(bench.server.exit_codes.size() == 1);
  CHECK_FALSE(bench.IsMarked());
}

TEST_CASE("a log that grows is followed, and its run is kept alive while nothing comes") {
  Bench bench;
  bench.options.follow = true;
  bench.run.Rows(2);
  bench.Begin();
  REQUIRE(bench.GoOn(seconds(100)) == false);
  CHECK(bench.server.rows.size() == 2);
  CHECK(bench.server.Count("alive") == 3);
  CHECK(bench.server.Count("count") == 0);
  bench.run.Rows(1);
  REQUIRE(bench.GoOn(seconds(1)) == false);
  CHECK(bench.server.requests.back() == "lines 2+1");
  bench.run.End();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.requests.back() == "end");
  CHECK(bench.server.rows.size() == 3);
}

TEST_CASE(
    "a quiet log asks for nothing but signs of life, and one that goes on for a look at once") {
  Bench bench;
  bench.options.follow = true;
  bench.run.Rows(2);
  bench.run.File("a.txt", "content");
  bench.Begin();
  REQUIRE(bench.GoOn(seconds(10)) == false);
  size_t steps = 0;
  // As a pool that notices what is written.
  const auto wait = [&](seconds most) {
    for (const auto until = bench.now + most; bench.now < until; ++steps) {
      const Expected<Upload::Turn> turn = bench.upload->Step(bench.server);
      REQUIRE(turn.has_value());
      bench.now = std::max(bench.now, turn->if_quiet.value_or(turn->next));
    }
  };
  wait(seconds(300));
  CHECK(bench.server.Count("alive") >= 8);
  CHECK(steps < 30);
  bench.run.Rows(1);
  wait(seconds(3));
  CHECK(bench.server.rows.size() == 3);
  bench.run.End();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.exit_codes.size() == 1);
}

TEST_CASE("a log that nobody writes any more is not kept alive, and ends without an end") {
  Bench bench;
  bench.options.follow = true;
  bench.run.Rows(2);
  bench.Begin();
  REQUIRE(bench.GoOn(seconds(3600)) == false);
  CHECK(bench.server.Count("alive") <= 20);
  bench.upload->StopFollowing();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.requests.back() == "count");
  CHECK_FALSE(bench.upload->report().ended);
  CHECK_FALSE(bench.IsMarked());
}

TEST_CASE("an end that is taken back: the run goes on, each row once, and ends once") {
  Bench bench;
  bench.options.follow = true;
  bench.run.Rows(2);
  bench.run.End(1);
  bench.server.counted = 0;
  bench.server.Before("count", [&] {
    if (!bench.server.counted) return;
    bench.server.counted.reset();
    bench.run.TakeBackEnd();
  });
  bench.server.Misbehave("count", {{500}});  // so that there is a moment before its end
  bench.Begin();
  REQUIRE(bench.GoOn(seconds(10)) == false);
  CHECK(bench.server.exit_codes.empty());
  bench.run.Rows(3);
  bench.run.End(0);
  REQUIRE(bench.Finishes());
  CHECK(bench.server.rows.size() == 5);
  CHECK(bench.server.Count("lines 0+2") == 1);
  CHECK(bench.server.Count("lines 2+3") == 1);
  CHECK(bench.server.exit_codes == std::vector<int>{0});
}

TEST_CASE(
    "that somebody asks it to stop is told while it goes on, and changes nothing of the upload") {
  Bench bench;
  bench.options.follow = true;
  bench.run.Rows(2);
  bench.Begin();
  REQUIRE(bench.GoOn(seconds(10)) == false);
  CHECK(bench.upload->progress().stop.empty());
  bench.server.asks_to_stop = true;
  // By a sign of life alone, too.
  REQUIRE(bench.GoOn(seconds(35)) == false);
  const std::string words = "asked to stop in W&B (http://server/e/p/runs/abc)";
  CHECK(bench.upload->progress().stop == words);
  bench.run.Rows(3);
  REQUIRE(bench.GoOn(seconds(10)) == false);
  CHECK(bench.upload->progress().stop == words);
  bench.run.End(1);
  REQUIRE(bench.Finishes());
  CHECK(bench.upload->progress().stop.empty());  // there is nothing left to stop
  CHECK(bench.server.rows.size() == 5);
  CHECK(bench.server.exit_codes == std::vector<int>{1});
}

TEST_CASE("of a log that is uploaded once nobody is asked to stop") {
  Bench bench;
  bench.run.Rows(2);
  bench.server.asks_to_stop = true;
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.upload->progress().stop.empty());
}

TEST_CASE("a stop in the middle ends it at once, and a later upload goes on behind it") {
  Bench bench;
  bench.run.Rows(2);
  bench.run.End();
  bench.server.Before("count", [&] { bench.server.Stop(); });
  bench.Begin();
  const Expected<bool> done = bench.GoOn();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().code == ErrorCode::kBusy);
  CHECK(bench.server.exit_codes.empty());
  bench.upload.reset();

  RunUpload later(bench.service, bench.run.log(), bench.options);
  ScriptedServer server(bench.now);
  server.rows = bench.server.rows;
  server.exists = true;
  REQUIRE(bench.Finishes(later, server));
  CHECK(server.requests.front() == "create");
  CHECK(server.Count("lines 0+2") == 0);
  CHECK(server.Count("put config.yaml") == 0);
  CHECK(server.requests.back() == "end");
}

TEST_CASE("a run that another process uploads is left alone, or waited for if it is followed") {
  Bench bench;
  bench.run.Rows(1);
  bench.Begin();
  (void)bench.upload->Step(bench.server);
  RunUpload second(bench.service, bench.run.log(), bench.options);
  const Expected<Upload::Turn> refused = second.Step(bench.server);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kBusy);
  bench.options.follow = true;
  RunUpload third(bench.service, bench.run.log(), bench.options);
  CHECK(third.Step(bench.server).has_value());
  CHECK(third.progress().waiting == "another process uploads this run");
}

TEST_CASE("a later part of a run waits for the earlier one, and its rows come behind those") {
  Bench bench;
  bench.run.Rows(2);
  MadeRun next(bench.temp.path(), "110000");
  next.Rows(3);
  next.End();
  RunUpload later(bench.service, next.log(), bench.options);
  REQUIRE(later.Step(bench.server).has_value());
  CHECK(bench.server.requests.empty());
  REQUIRE(later.earlier_part() == bench.run.log());
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.IsMarked());  // the run goes on elsewhere
  CHECK(bench.server.exit_codes.empty());
  bench.upload.reset();
  REQUIRE(bench.Finishes(later, bench.server));
  CHECK(later.earlier_part().empty());
  CHECK(bench.server.Count("lines 2+3") == 1);
  CHECK(bench.server.rows.size() == 5);
  CHECK(later.report().verified);
}

TEST_CASE("a limit that all share is waited for, but not by files") {
  Bench bench;
  bench.run.File("a.txt", "a");
  bench.run.End();
  bench.server.Before("put", [&] { bench.service.limit.Busy(bench.now, 50); });
  bench.Begin();
  REQUIRE(bench.Finishes());
  for (size_t i = 1; i < bench.server.requests.size(); ++i) {
    const bool after_file = bench.server.requests[i - 1].starts_with("put");
    const bool file = bench.server.requests[i].starts_with("put");
    if (after_file)
      CHECK((bench.server.times[i] - bench.server.times[i - 1] < seconds(50)) == file);
  }
}

TEST_CASE("entity and project may be given in place of the log's") {
  Bench bench;
  bench.run.End();
  bench.service.choices.entity = "team";
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.entity == "team");
  CHECK(bench.server.project == "p");
}

}  // namespace
}  // namespace flarebridge::wandb
