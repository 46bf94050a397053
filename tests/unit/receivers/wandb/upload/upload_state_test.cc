#include "receivers/wandb/upload/upload_state.h"

#include <doctest/doctest.h>

#include <fstream>

#include "receivers/wandb/upload/parts.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("what was written is read, for the same server only") {
  const TempFolder temp;
  const fs::path log = temp.path() / "run-a.wandb";
  UploadState state;
  state.server = "https://one";
  state.run = "entity/project/a";
  state.lines = {{"wandb-history.jsonl", 7}};
  state.files = {{"media/x.png", 12}};
  state.sent = {{"notes", "a"}};
  state.first_step = 5;
  state.alerts = 2;
  state.artifacts = {"key-a", "key-b"};
  CHECK_FALSE(ReadState(log, "https://one").base.has_value());
  state.base.emplace();
  (*state.base)["wandb-history.jsonl"] = 3;
  REQUIRE(WriteState(log, state).has_value());
  REQUIRE(WriteState(log, state).has_value());  // over the first
  const UploadState same = ReadState(log, "https://one");
  CHECK(same.run == state.run);
  CHECK(same.lines == state.lines);
  CHECK(same.files == state.files);
  CHECK(same.sent == state.sent);
  CHECK(same.base == state.base);
  CHECK(same.first_step == 5);
  CHECK(same.alerts == 2);
  CHECK(same.artifacts == state.artifacts);
  CHECK(ReadState(log, "https://other").lines.empty());
}

TEST_CASE("a state holds which parts of a file are at the storage, or nothing of them") {
  UploadState state;
  SentParts& parts = state.parts["key/weights.pt"];
  parts = {"id", "path", "upload", {"X: 1"}, {"u1", "u2"}, {"s1", "s2"}, {"", "\"e2\""}, 7};
  const std::string text = StateText(state);
  const std::optional<UploadState> same = ParseState(text);
  REQUIRE(same);
  REQUIRE(same->parts.size() == 1);
  const SentParts& read = same->parts.at("key/weights.pt");
  CHECK(read.artifact == "id");
  CHECK(read.storage_path == "path");
  CHECK(read.upload == "upload");
  CHECK(read.headers == parts.headers);
  CHECK(read.urls == parts.urls);
  CHECK(read.sums == parts.sums);
  CHECK(read.etags == parts.etags);
  CHECK(read.bytes == 7);

  // What does not fit together is begun anew.
  parts.etags.pop_back();
  const std::optional<UploadState> broken = ParseState(StateText(state));
  REQUIRE(broken);
  CHECK(broken->parts.empty());
}

TEST_CASE("a state that can't be read is none") {
  const TempFolder temp;
  const fs::path log = temp.path() / "run-a.wandb";
  CHECK(ReadState(log, "s").lines.empty());
  for (const char* text :
       {"", "{", "[]", R"({"server":"s"})", R"({"server":"s","run":1,"lines":{},"files":{}})",
        R"({"server":"s","run":"r","lines":{"h":-1},"files":[]})"}) {
    std::ofstream(StatePath(log)) << text;
    const UploadState state = ReadState(log, "s");
    CHECK(state.lines.empty());
    CHECK(state.files.empty());
    CHECK(state.run.empty());
  }
}

TEST_CASE("a state that can't be written is told") {
  CHECK_FALSE(WriteState("/proc/nowhere/run-a.wandb", UploadState()).has_value());
}

TEST_CASE("the logs of one run are ordered by time, those set aside before what replaced them") {
  const TempFolder temp;
  const auto make = [&](const std::string& folder, const std::string& id) {
    fs::create_directories(temp.path() / folder);
    const fs::path log = temp.path() / folder / ("run-" + id + ".wandb");
    std::ofstream(log) << "x";
    return log;
  };
  const fs::path third = make("offline-run-20260101_000001-abc", "abc");
  const fs::path first = make("offline-run-20260101_000001-abc.damaged", "abc");
  const fs::path second = make("offline-run-20260101_000001-abc.damaged-2", "abc");
  const fs::path last = make("run-20260102_000000-abc", "abc");
  make("offline-run-20260101_000001-abd", "abd");
  make("other-20260101_000001-abc", "abc");
  fs::create_directory_symlink("run-20260102_000000-abc", temp.path() / "run-20260103_000000-abc");
  // Of W&B's own client, for all that is known.
  CHECK(PartsOf(second, {}) == std::vector<fs::path>{first, second, third});
  REQUIRE(WriteState(last, UploadState()).has_value());  // of ours
  CHECK(PartsOf(second, {}) == std::vector<fs::path>{first, second, third, last});
  CHECK(PartsOf(temp.path() / "else" / "run-x.wandb", {}).size() == 1);
}

}  // namespace
}  // namespace flarebridge::wandb
