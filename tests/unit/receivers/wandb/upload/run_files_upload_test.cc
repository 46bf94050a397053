// Files of a run: each for itself, and beside the rows.
#include <doctest/doctest.h>

#include "tests/unit/receivers/wandb/upload/upload_bench.h"

namespace flarebridge::wandb {
namespace {

using std::chrono::seconds;
using Bench = testing::UploadBench;
using testing::ScriptedServer;
using Names = std::vector<std::string>;

TEST_CASE("a file that the storage refuses is given up and named; all else of the run arrives") {
  for (const long status : {400, 403, 404, 413}) {
    Bench bench;
    bench.run.Rows(3);
    bench.run.File("a.txt", "content");
    bench.run.File("b.txt", "b");
    bench.run.Rows(3);
    bench.run.End(3);
    bench.server.Misbehave("put a.txt", std::vector<ScriptedServer::Fault>(
                                            100, {status, {}, false, "<Code>No</Code>"}));
    bench.Begin();
    REQUIRE(bench.Finishes());
    CHECK(bench.server.rows.size() == 6);
    CHECK(bench.server.Count("put b.txt") == 1);
    CHECK(bench.server.Count("put a.txt") == (status == 403 ? 4 : 1));
    CHECK(bench.server.exit_codes == std::vector<int>{3});
    CHECK(bench.server.reported == Names{"b.txt", "config.yaml", "wandb-summary.json"});
    const Names left_out = bench.upload->report().left_out;
    REQUIRE(left_out.size() == 1);
    CHECK(left_out[0].starts_with(
        "the file a.txt: it has 7 bytes, and the storage refuses it: status " +
        std::to_string(status)));
    CHECK(left_out[0].ends_with(" (<Code>No</Code>)"));
    CHECK(left_out[0].find("API key") == std::string::npos);
    CHECK_FALSE(bench.IsMarked());
    bench.upload.reset();

    // A later upload tries it anew, and sends nothing else twice.
    bench.server.Misbehave("put a.txt", {});
    ScriptedServer later(bench.now);
    later.rows = bench.server.rows;
    later.exists = true;
    bench.Begin();
    REQUIRE(bench.Finishes(*bench.upload, later));
    CHECK(later.Count("put a.txt") == 1);
    CHECK(later.Count("put b.txt") == 0);
    CHECK(bench.IsMarked());
  }
}

TEST_CASE("addresses that expire together are renewed, each file for itself") {
  Bench bench;
  for (int i = 0; i < 10; ++i) bench.run.File("f" + std::to_string(i), "content");
  bench.run.End();
  for (int i = 0; i < 10; ++i)
    bench.server.Misbehave("put f" + std::to_string(i), {{403}, {403}, {403}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  for (int i = 0; i < 10; ++i) CHECK(bench.server.Count("put f" + std::to_string(i)) == 4);
  CHECK(bench.upload->report().left_out.empty());
  CHECK(bench.IsMarked());
}

TEST_CASE("an address is asked for right before its file goes") {
  Bench bench;
  for (int i = 0; i < 100; ++i) bench.run.File("f" + std::to_string(i), "content");
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  size_t addresses = 0;
  for (const std::string& request : bench.server.requests) {
    if (request.starts_with("ask ")) {
      CHECK(addresses == 0);
      addresses = std::stoul(request.substr(4));
      CHECK(addresses <= 16);
    }
    if (request.starts_with("put ")) --addresses;
  }
}

TEST_CASE("rows and signs of life go while a file is on its way, and the end waits for it") {
  Bench bench;
  bench.errands_go = false;
  bench.run.Rows(2);
  bench.run.File("large", "content");
  bench.run.End();
  bench.Begin();
  CHECK(bench.GoOn(seconds(100)) == false);
  CHECK(bench.errands.size() == 1);
  CHECK(bench.server.Count("lines 0+2") == 1);
  CHECK(bench.server.Count("alive") == 3);
  CHECK(bench.server.Count("end") == 0);
  bench.errands_go = true;
  bench.errands[0]->Run(bench.server);
  REQUIRE(bench.Finishes());
  CHECK(bench.server.requests.back() == "end");
  CHECK(bench.IsMarked());
}

TEST_CASE("files go while rows wait for a server in trouble, whose waits they do not shorten") {
  Bench bench;
  bench.options.follow = true;
  bench.run.Rows(2);
  bench.run.File("a.txt", "content");
  bench.server.Misbehave("lines", {{500}, {500}, {500}});
  bench.Begin();
  CHECK(bench.GoOn(seconds(60)) == false);
  CHECK(bench.server.Count("put a.txt") == 1);
  CHECK(bench.server.rows.size() == 2);
  std::vector<Clock::time_point> lines;
  for (size_t i = 0; i < bench.server.requests.size(); ++i) {
    if (bench.server.requests[i] == "lines 0+2") lines.push_back(bench.server.times[i]);
  }
  REQUIRE(lines.size() == 4);
  CHECK(lines[1] - lines[0] >= seconds(2));
  CHECK(lines[2] - lines[1] >= seconds(4));
  CHECK(lines[3] - lines[2] >= seconds(8));
}

TEST_CASE("of one run a few errands go at once") {
  Bench bench;
  bench.errands_go = false;
  for (int i = 0; i < 200; ++i) bench.run.File("f" + std::to_string(i), "content");
  bench.run.End();
  bench.Begin();
  CHECK(bench.GoOn(seconds(100)) == false);
  CHECK(bench.errands.size() == 4);
}

TEST_CASE("a storage that fails for too long costs the run its files and nothing else") {
  for (const long status : {0, 500}) {
    Bench bench;
    bench.run.Rows(3);
    for (int i = 0; i < 20; ++i) bench.run.File("f" + std::to_string(i), "content");
    bench.run.End();
    bench.server.Misbehave("put", std::vector<ScriptedServer::Fault>(100'000, {status}));
    const auto begun = bench.now;
    bench.Begin();
    REQUIRE(bench.Finishes());
    CHECK(bench.server.rows.size() == 3);
    CHECK(bench.server.exit_codes.size() == 1);
    CHECK(bench.now - begun < seconds(900));  // once, not once for each file
    CHECK(bench.server.requests.size() < 1000);
    CHECK(bench.upload->report().left_out.size() == 22);
    CHECK_FALSE(bench.IsMarked());
  }
}

TEST_CASE("a storage that is in trouble for a while gets each file all the same") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.run.File("f" + std::to_string(i), "content");
  bench.run.End();
  bench.server.Misbehave("put", {{0}, {500}, {503, 7}, {429, 3}, {0}, {0}, {0}, {500}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.upload->report().left_out.empty());
  CHECK(bench.IsMarked());
}

TEST_CASE("a name that the server refuses is found among those asked for with it") {
  Bench bench;
  bench.run.File("a.txt", "a");
  bench.run.File("b.txt", "b");
  bench.run.End();
  bench.server.Misbehave("ask 2", {{400}});
  bench.server.Misbehave("ask 1", {{400}});
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("put a.txt") + bench.server.Count("put b.txt") == 1);
  const Names left_out = bench.upload->report().left_out;
  REQUIRE(left_out.size() == 1);
  CHECK(left_out[0] ==
        "the file a.txt: it is refused by the server: status 400 from http://server");
  CHECK(bench.server.exit_codes.size() == 1);
}

TEST_CASE("a key that may not ask for addresses ends the upload with words") {
  Bench bench;
  bench.run.File("a.txt", "a");
  bench.run.End();
  bench.server.Misbehave("ask", {{403}});
  bench.Begin();
  const Expected<bool> done = bench.GoOn();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().code == ErrorCode::kForbidden);
  CHECK(done.error().message ==
        "asking where files go was refused: status 403: the API key may not write there");
}

TEST_CASE("lines of a full request are held only where there is room: the others send a few") {
  Bench bench;
  bench.service.room = 0;
  bench.run.Rows(20'000);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.rows.size() == 20'000);
  CHECK(bench.server.requests.size() > 5);
  CHECK(bench.service.room == 0);
  bench.upload.reset();

  bench.service.room = 1;
  bench.options.again = true;
  const size_t before = bench.server.requests.size();
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.requests.size() - before < 12);
  CHECK(bench.service.room == 1);
}

// --- a run that can't be made ---

TEST_CASE("a run that was deleted on the server is given up at once, or after 21 tries") {
  for (const bool said : {true, false}) {
    Bench bench;
    bench.options.follow = true;
    bench.options.retry_for = seconds(7 * 86400);
    bench.run.Rows(2);
    const std::string words = said ? "previously created and deleted; try a new run id" : "";
    bench.server.Misbehave("create",
                           std::vector<ScriptedServer::Fault>(1000, {409, {}, false, words}));
    bench.Begin();
    const Expected<bool> done = bench.GoOn();
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().code == ErrorCode::kForbidden);
    CHECK(done.error().message.find("upload it under another with --id") != std::string::npos);
    CHECK(bench.server.Count("create") == (said ? 1 : 21));
  }
}

TEST_CASE("what the server refuses of a run is told at once, however long it is tried") {
  for (const long status : {400, 401, 403, 404, 410, 422}) {
    Bench bench;
    bench.options.follow = true;
    bench.options.retry_for = seconds(7 * 86400);
    bench.run.Rows(2);
    bench.server.Misbehave("create", {{status, {}, false, "invalid tag"}});
    bench.Begin();
    const Expected<bool> done = bench.GoOn(seconds(10));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().code == ErrorCode::kForbidden);
    CHECK(done.error().message.find("(invalid tag)") != std::string::npos);
    CHECK(bench.server.Count("create") == 1);
  }
}

}  // namespace
}  // namespace flarebridge::wandb
