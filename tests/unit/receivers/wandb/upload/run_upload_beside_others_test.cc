// An upload beside what is there already, and when it is done.
#include <doctest/doctest.h>

#include <fstream>
#include <utility>

#include "receivers/wandb/upload/run_upload.h"
#include "tests/unit/receivers/wandb/upload/upload_bench.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using Bench = testing::UploadBench;
using testing::MadeRun;
using testing::ScriptedServer;

// --- what the server has of the run already ---

// A row as the server holds one of another machine, logged at that time.
std::string ForeignRow(int step, double time) {
  return R"({"_step":)" + std::to_string(step) + R"(,"_timestamp":)" + std::to_string(time) +
         R"(,"loss":7})";
}

TEST_CASE("rows of elsewhere are not written over: a run that goes on here comes behind them") {
  Bench bench;  // its run began at 1e9
  for (int row = 0; row < 5; ++row)
    bench.server.rows[static_cast<uint64_t>(row)] = ForeignRow(row, 1e9 - 100 + row);
  bench.server.exists = true;
  const auto before = bench.server.rows;
  bench.run.Rows(3);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("look") == 2);  // it counts late
  CHECK(bench.server.Count("lines 5+3") == 1);
  CHECK(bench.server.rows.size() == 8);
  for (const auto& [number, row] : before) CHECK(bench.server.rows.at(number) == row);
  CHECK(bench.upload->report().verified);
  CHECK(bench.IsMarked());
  bench.upload.reset();

  // A later upload knows where its rows are.
  bench.options.again = true;
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("look") == 2);
  CHECK(bench.server.Count("lines 5+3") == 2);
  CHECK(bench.server.rows.size() == 8);
}

TEST_CASE("rows of elsewhere that are not older than the log are left alone, with words") {
  for (const bool timeless : {false, true}) {
    Bench bench;
    bench.server.rows[0] = timeless ? R"({"loss":7})" : ForeignRow(0, 1e9 + 5);
    bench.server.exists = true;
    bench.run.Rows(3);
    bench.run.End();
    bench.Begin();
    const Expected<bool> done = bench.GoOn();
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().code == ErrorCode::kForbidden);
    CHECK(done.error().message.starts_with(
        "the server has 1 rows of this run that come from no log here, and the last of them "));
    CHECK(bench.server.upserts.empty());
    CHECK(bench.server.rows.size() == 1);
    CHECK(bench.server.exit_codes.empty());
    CHECK_FALSE(bench.IsMarked());
  }
}

TEST_CASE("a note that was lost costs nothing: the same rows go to the same places") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  bench.upload.reset();
  fs::remove(StatePath(bench.run.log()));
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.rows.size() == 3);
  CHECK(bench.server.Count("lines 0+3") == 2);
}

TEST_CASE("a run whose creation was not answered is looked at again before its first row") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.server.Misbehave("create", {{0, {}, true}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("create") == 2);
  CHECK(bench.server.Count("look") == 3);
  CHECK(bench.server.Count("lines 0+3") == 1);
}

TEST_CASE("a server that can't look for a run of a project that is not there is not given up") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.server.Misbehave("look", {{404}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.requests[1] == "create");
  CHECK(bench.server.rows.size() == 3);
}

TEST_CASE("a run that was deleted on the server is uploaded whole, though all was confirmed") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  bench.upload.reset();
  ScriptedServer server(bench.now);
  bench.Begin();
  REQUIRE(bench.Finishes(*bench.upload, server));
  CHECK(server.rows.size() == 3);
  CHECK_FALSE(server.upserts.back().at("config").is_null());
  CHECK(server.files.contains("config.yaml"));
}

TEST_CASE("parts in folders of several places go one after the other, by the time they began") {
  Bench bench;
  bench.run.Rows(2);
  bench.run.End();
  MadeRun next(bench.temp.path() / "elsewhere", "090000", 1e9 + 50);  // its name sorts first
  next.Rows(3);
  next.End();
  bench.service.known.Add(bench.run.log());
  bench.service.known.Add(next.log());
  RunUpload later(bench.service, next.log(), bench.options);
  bench.Begin();
  REQUIRE(later.Step(bench.server).has_value());
  CHECK(bench.server.requests.empty());
  CHECK(later.earlier_part() == bench.run.log());
  REQUIRE(bench.Finishes());
  CHECK(bench.server.exit_codes.empty());  // the run goes on
  bench.upload.reset();
  REQUIRE(bench.Finishes(later, bench.server));
  CHECK(bench.server.Count("lines 2+3") == 1);
  CHECK(bench.server.rows.size() == 5);
  CHECK(bench.server.exit_codes.size() == 1);
}

// --- what people see of a run is theirs ---

TEST_CASE("after a run is made only what has changed is sent of it") {
  Bench bench;
  bench.run.Rows(1);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  REQUIRE(bench.server.upserts.size() == 1);
  CHECK(bench.server.upserts[0].at("displayName") == "a name");
  CHECK(bench.server.upserts[0].at("tags") == ScriptedServer::Json{"a", "b"});
  bench.upload.reset();
  bench.options.again = true;
  bench.Begin();
  REQUIRE(bench.Finishes());
  REQUIRE(bench.server.upserts.size() == 2);
  for (const char* field :
       {"displayName", "tags", "notes", "groupName", "jobType", "config", "host"})
    CHECK(bench.server.upserts[1].at(field).is_null());
}

TEST_CASE("a note of an older version is gone on from, and undoes nothing in the browser") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.End();
  std::ofstream(StatePath(bench.run.log()))
      << R"({"server":"http://server","run":"e/p/abc","lines":{"wandb-history.jsonl":2},)"
         R"("files":{},"unreported":[]})";
  bench.server.exists = true;
  bench.server.rows = {{0, R"({"loss":0})"}, {1, R"({"loss":1})"}};
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("look") == 0);
  CHECK(bench.server.Count("lines 2+1") == 1);
  CHECK(bench.server.rows.size() == 3);
  for (const char* field : {"displayName", "tags", "notes"})
    CHECK(bench.server.upserts[0].at(field).is_null());
}

TEST_CASE("of a run that was there before, name, tags and notes are not sent") {
  Bench bench;
  bench.server.exists = true;
  bench.run.Rows(1);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  REQUIRE(bench.server.upserts.size() == 1);
  for (const char* field : {"displayName", "tags", "notes"})
    CHECK(bench.server.upserts[0].at(field).is_null());
  CHECK_FALSE(bench.server.upserts[0].at("config").is_null());
}

TEST_CASE("what is chosen for an upload is sent, also of a run that was there before") {
  Bench bench;
  bench.server.exists = true;
  bench.run.Rows(1);
  bench.run.End();
  bench.service.choices.job_type = "chosen";
  bench.service.choices.tags = {{"a", ""}, {"b", ""}};
  bench.Begin();
  REQUIRE(bench.Finishes());
  REQUIRE(bench.server.upserts.size() == 1);
  CHECK(bench.server.upserts[0].at("jobType") == "chosen");
  CHECK(bench.server.upserts[0].at("tags") == ScriptedServer::Json::array());
  for (const char* field : {"displayName", "notes"})
    CHECK(bench.server.upserts[0].at(field).is_null());
  bench.upload.reset();
  bench.options.again = true;
  bench.Begin();
  REQUIRE(bench.Finishes());
  REQUIRE(bench.server.upserts.size() == 2);
  for (const char* field : {"jobType", "tags"}) CHECK(bench.server.upserts[1].at(field).is_null());
}

TEST_CASE("logs of one id are parts of one run if they go to one place") {
  const auto earlier_part = [](const std::string& set_for_all) {
    Bench bench;
    bench.run.End();
    MadeRun next(bench.temp.path() / "elsewhere", "090000", 1e9 + 50, false, "team");
    next.End();
    bench.service.account.entity = set_for_all;
    bench.service.known.Add(bench.run.log());
    RunUpload later(bench.service, next.log(), bench.options);
    bench.Begin();
    REQUIRE(later.Step(bench.server).has_value());
    return later.earlier_part().filename().string();
  };
  CHECK(earlier_part("team") == "run-abc.wandb");
  CHECK(earlier_part("").empty());
}

TEST_CASE("parts of a run whose id is chosen are found by the id that they have") {
  Bench bench;
  bench.run.Rows(2);
  bench.run.End();
  MadeRun next(bench.temp.path() / "elsewhere", "090000", 1e9 + 50);
  next.Rows(3);
  next.End();
  bench.service.choices.run_id = "chosen";
  bench.service.known.Add(bench.run.log());
  bench.service.known.Add(next.log());
  RunUpload later(bench.service, next.log(), bench.options);
  bench.Begin();
  REQUIRE(bench.Finishes());
  bench.upload.reset();
  REQUIRE(bench.Finishes(later, bench.server));
  CHECK(bench.server.rows.size() == 5);
  for (const ScriptedServer::Json& run : bench.server.upserts) CHECK(run.at("name") == "chosen");
}

// --- what is done ---

TEST_CASE("somebody else's answer of status 200 confirms nothing") {
  Bench bench;
  bench.run.Rows(3);
  bench.run.File("a.txt", "a");
  bench.run.End();
  for (const char* request : {"look", "create", "lines", "ask", "put", "count", "end"}) {
    const std::string name = request;
    bench.server.Before(name, [&bench, name, first = true]() mutable {
      bench.server.page =
          std::exchange(first, false) ? "<!DOCTYPE html><html>Log in to the network</html>" : "";
    });
  }
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.rows.size() == 3);
  CHECK(bench.server.Count("put a.txt") == 2);
  CHECK(bench.server.exit_codes.size() == 1);
  CHECK(bench.upload->report().verified);
}

TEST_CASE("what is behind damage is sent, its bytes are named, and the run is not marked") {
  Bench bench;
  bench.run.Rows(2000);
  bench.run.End();
  const auto size = fs::file_size(bench.run.log());
  REQUIRE(size > 100'000);
  {
    std::fstream log(bench.run.log(), std::ios::binary | std::ios::in | std::ios::out);
    log.seekp(40'000);
    log.put('!');
  }
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.rows.size() > 1000);
  CHECK(bench.server.rows.size() < 2000);
  CHECK(bench.server.rows.rbegin()->second == R"({"loss":1999})");
  CHECK(bench.server.exit_codes.size() == 1);
  const UploadReport report = bench.upload->report();
  CHECK(report.verified);
  REQUIRE(report.left_out.size() == 1);
  CHECK(report.left_out[0].find(" bytes of the log, which are damaged") != std::string::npos);
  CHECK_FALSE(bench.IsMarked());
}

TEST_CASE("a negative exit code is a failure on the server, too") {
  Bench bench;
  bench.run.End(-9);
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.exit_codes == std::vector<int>{137});
}

}  // namespace
}  // namespace flarebridge::wandb
