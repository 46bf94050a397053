#include "receivers/wandb/upload/upload_notes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "receivers/files/file_info.h"
#include "receivers/wandb/upload/known_logs.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "tests/unit/receivers/wandb/upload/upload_bench.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using testing::MadeRun;
using Bench = testing::UploadBench;
using Where = UploadNotes::Kept::Where;

constexpr uint32_t kAlertField = 10;

// No note can be made beside the log from now on, whoever tries: its draft's name is a folder's.
void Forbid(const fs::path& log) {
  fs::create_directory(StatePath(log).string() + ".new");
  fs::create_directory(MarkPath(log).string() + ".new");
}

uint64_t SizeOf(const fs::path& log) { return InfoOf(log)->size; }

UploadState StateOf(uint64_t rows) {
  UploadState state;
  state.server = "http://server";
  state.run = "e/p/abc";
  state.lines[kHistoryStream] = rows;
  return state;
}

uint64_t RowsOf(const UploadState& state) {
  const auto rows = state.lines.find(kHistoryStream);
  return rows == state.lines.end() ? 0 : rows->second;
}

struct Place {
  TempFolder temp;
  fs::path elsewhere = temp.path() / "state" / "uploads";
  MadeRun run{temp.path() / "runs"};
};

TEST_CASE("a note that can't be beside its log is in the user's folder, and counts") {
  Place place;
  place.run.Rows(3);
  const fs::path& log = place.run.log();
  UploadNotes notes(log, place.elsewhere);
  CHECK(notes.Write(StateOf(1), SizeOf(log)).where == Where::kBeside);
  CHECK_FALSE(fs::exists(place.elsewhere));
  Forbid(log);
  const UploadNotes::Kept kept = notes.Write(StateOf(3), SizeOf(log));
  CHECK(kept.where == Where::kElsewhere);
  CHECK(kept.why.find(log.string() + ".upload.new can't be made: ") != std::string::npos);
  CHECK(RowsOf(notes.Read("http://server")) == 3);
  CHECK(notes.Read("http://other").lines.empty());
  CHECK(RowsOf(*notes.Latest()) == 3);
  CHECK_FALSE(notes.IsMarked());
  CHECK(InfoOf(place.elsewhere)->rights == 0700);
  CHECK(InfoOf(*notes.PlaceElsewhere())->rights == 0600);
  // It is beside the log again: that is the later one.
  fs::remove(StatePath(log).string() + ".new");
  CHECK(notes.Write(StateOf(2), SizeOf(log)).where == Where::kBeside);
  CHECK(RowsOf(notes.Read("http://server")) == 2);
}

TEST_CASE("a mark that can't be beside its log is in the note, until the log changes") {
  Place place;
  place.run.Rows(3);
  place.run.End();
  const fs::path& log = place.run.log();
  Forbid(log);
  UploadNotes notes(log, place.elsewhere);
  CHECK(notes.Mark(StateOf(3), SizeOf(log)).where == Where::kElsewhere);
  CHECK(notes.IsMarked());
  place.run.Rows(1);
  CHECK_FALSE(notes.IsMarked());
  CHECK(RowsOf(notes.Read("http://server")) == 3);
  // What is read behind the end that was noted last is there as well.
  CHECK(notes.Mark(StateOf(4), SizeOf(log)).where == Where::kElsewhere);
  CHECK(notes.IsMarked());
  place.run.TakeBackEnd();
  place.run.Rows(5);
  CHECK_FALSE(notes.IsMarked());
}

TEST_CASE("a folder that is moved, copied or reached by another way has its note still") {
  Place place;
  place.run.Rows(3);
  place.run.End();
  const fs::path log = place.run.log();
  Forbid(log);
  REQUIRE(UploadNotes(log, place.elsewhere).Mark(StateOf(3), SizeOf(log)).where ==
          Where::kElsewhere);
  const fs::path folder = log.parent_path();
  const fs::path copy = place.temp.path() / "copy" / folder.filename();
  fs::create_directory(copy.parent_path());
  fs::copy(folder, copy, fs::copy_options::recursive);
  CHECK(UploadNotes(copy / log.filename(), place.elsewhere).IsMarked());
  fs::create_directory_symlink(folder.parent_path(), place.temp.path() / "link");
  CHECK(
      UploadNotes(place.temp.path() / "link" / folder.filename() / log.filename(), place.elsewhere)
          .IsMarked());
  const fs::path moved = place.temp.path() / folder.filename();
  fs::rename(folder, moved);
  CHECK(UploadNotes(moved / log.filename(), place.elsewhere).IsMarked());
}

TEST_CASE("a log that begins or goes on otherwise has no note") {
  const TempFolder temp;
  const fs::path elsewhere = temp.path() / "uploads";
  MadeRun run(temp.path() / "a"), twin(temp.path() / "b"), other(temp.path() / "c", "100000", 2e9);
  run.Rows(3);
  twin.Rows(2);  // as a copy that was taken before
  const auto before_its_end = SizeOf(twin.log());
  Forbid(run.log());
  REQUIRE(UploadNotes(run.log(), elsewhere).Write(StateOf(3), SizeOf(run.log())).where ==
          Where::kElsewhere);
  CHECK(RowsOf(UploadNotes(run.log(), elsewhere).Read("http://server")) == 3);
  // It ends before the place up to which the note counts.
  CHECK(before_its_end < SizeOf(run.log()));
  CHECK_FALSE(UploadNotes(twin.log(), elsewhere).Latest().has_value());
  twin.Console("and then something else, as long as a row and longer than that, for sure\n");
  CHECK(SizeOf(twin.log()) > before_its_end);
  twin.Rows(3);
  CHECK_FALSE(UploadNotes(twin.log(), elsewhere).Latest().has_value());
  other.Rows(3);
  CHECK_FALSE(UploadNotes(other.log(), elsewhere).Latest().has_value());
}

TEST_CASE("what is no note is none") {
  Place place;
  place.run.Rows(3);
  Forbid(place.run.log());
  UploadNotes notes(place.run.log(), place.elsewhere);
  REQUIRE(notes.Write(StateOf(3), SizeOf(place.run.log())).where == Where::kElsewhere);
  const fs::path file = *notes.PlaceElsewhere();
  for (const char* text : {"", "{", "[]", "{}", R"({"bytes":-1,"tail":0})",
                           R"({"bytes":1e30,"tail":0,"whole":true,"state":{}})",
                           R"({"bytes":18446744073709551615,"tail":0,"whole":true,"state":{}})"}) {
    std::ofstream(file) << text;
    CHECK_FALSE(notes.Latest().has_value());
    CHECK_FALSE(notes.IsMarked());
  }
}

TEST_CASE("where nothing can be noted the words name both places") {
  Place place;
  place.run.Rows(1);
  Forbid(place.run.log());
  const uint64_t bytes = SizeOf(place.run.log());
  const UploadNotes::Kept kept =
      UploadNotes(place.run.log(), "/proc/nowhere/uploads").Write(StateOf(1), bytes);
  CHECK(kept.where == Where::kNowhere);
  CHECK(kept.why.find(".upload.new can't be made: ") != std::string::npos);
  CHECK(kept.why.find("; /proc/nowhere can't be made: ") != std::string::npos);
  CHECK(UploadNotes(place.run.log(), {}).Write(StateOf(1), bytes).where == Where::kNowhere);
}

TEST_CASE("it is told once where notes are, and once that there are none") {
  NotesTold told;
  std::vector<std::string> said;
  const auto say = [&](const std::string& words) { said.push_back(words); };
  told.Tell({}, "/state", say);
  CHECK(said.empty());
  for (int i = 0; i < 3; ++i) {
    told.Tell({Where::kElsewhere, "why"}, "/state", say);
    told.Tell({Where::kNowhere, "why"}, "/state", say);
    told.Tell({Where::kNowhere, "why"}, "/state", nullptr);
  }
  REQUIRE(said.size() == 2);
  CHECK(said[0] == "a run's folder can't be written, so what is uploaded is noted in /state: why");
  CHECK(said[1].starts_with("what is uploaded can't be noted, so the next upload asks "));
}

TEST_CASE("the user's folder is that of the XDG specification, or there is none") {
  const auto with = [](std::map<std::string, std::string> set) {
    return NotesFolder([set](const char* name) -> std::optional<std::string> {
      const auto found = set.find(name);
      return found == set.end() ? std::nullopt : std::optional(found->second);
    });
  };
  CHECK(with({{"HOME", "/h"}}) == "/h/.local/state/flarebridge/uploads");
  CHECK(with({{"HOME", "/h"}, {"XDG_STATE_HOME", "/s"}}) == "/s/flarebridge/uploads");
  CHECK(with({{"HOME", "/h"}, {"XDG_STATE_HOME", "s"}}) == "/h/.local/state/flarebridge/uploads");
  CHECK(with({}).empty());
  CHECK(with({{"HOME", "relative"}}).empty());
}

TEST_CASE("an upload beside which nothing can be noted is noted elsewhere, and gone on with") {
  Bench bench;
  bench.service.choices.notes = bench.temp.path() / "state";
  std::vector<std::string> said;
  bench.service.warn = [&](const std::string& words) { said.push_back(words); };
  Forbid(bench.run.log());
  bench.run.Rows(3);
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(said.size() == 1);
  CHECK_FALSE(UploadNotes(bench.run.log(), bench.service.choices.notes).IsMarked());
  bench.upload.reset();
  bench.run.Rows(2);
  bench.run.End();
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.Count("look") == 1);
  CHECK(bench.server.Count("lines 0+3") == 1);
  CHECK(bench.server.Count("lines 3+2") == 1);
  CHECK(UploadNotes(bench.run.log(), bench.service.choices.notes).IsMarked());
  CHECK_FALSE(bench.IsMarked());
  CHECK(said.size() == 1);
}

TEST_CASE("a later part finds what was noted elsewhere of the earlier one") {
  Bench bench;
  bench.service.choices.notes = bench.temp.path() / "state";
  Forbid(bench.run.log());
  bench.run.Rows(3);
  bench.Begin();
  REQUIRE(bench.Finishes());
  bench.upload.reset();
  MadeRun later(bench.temp.path(), "110000");
  later.Rows(2);
  later.End();
  RunUpload upload(bench.service, later.log(), bench.options);
  REQUIRE(bench.Finishes(upload, bench.server));
  CHECK(bench.server.Count("lines 0+3") == 1);
  CHECK(bench.server.Count("lines 3+2") == 1);
}

TEST_CASE("an online run of ours is known by a note elsewhere") {
  const TempFolder temp;
  const MadeRun made(temp.path());
  const fs::path folder = temp.path() / "run-20260821_100000-abc";
  fs::rename(made.log().parent_path(), folder);
  const fs::path log = folder / made.log().filename();
  CHECK(IsUploadedByItsWriter(log, temp.path() / "state"));
  Forbid(log);
  REQUIRE(UploadNotes(log, temp.path() / "state").Write(StateOf(0), SizeOf(log)).where ==
          Where::kElsewhere);
  CHECK_FALSE(IsUploadedByItsWriter(log, temp.path() / "state"));
}

TEST_CASE("what can be noted nowhere is uploaded all the same, and the next upload asks first") {
  Bench bench;
  std::vector<std::string> said;
  bench.service.warn = [&](const std::string& words) { said.push_back(words); };
  Forbid(bench.run.log());
  bench.run.Rows(3);
  bench.run.End();
  for (int i = 0; i < 2; ++i) {
    bench.Begin();
    REQUIRE(bench.Finishes());
    CHECK(bench.upload->report().left_out.empty());
    bench.upload.reset();
  }
  CHECK(bench.server.Count("look") == 2);
  CHECK(bench.server.Count("lines 0+3") == 2);
  CHECK(bench.server.rows.size() == 3);
  CHECK(said.size() == 1);
}

TEST_CASE("an alert of which nothing can be noted is not sent, is named, and keeps nothing up") {
  Bench bench;
  std::string content;
  protozero::pbf_writer alert(content);
  alert.add_string(1, "one");
  bench.run.Other(kAlertField, content);
  bench.run.Rows(3);
  bench.run.End();
  Forbid(bench.run.log());
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.alerts.empty());
  CHECK(bench.server.exit_codes.size() == 1);
  const std::vector<std::string> left_out = bench.upload->report().left_out;
  REQUIRE(left_out.size() == 1);
  CHECK(left_out[0].starts_with("1 alerts: that they are sent can't be noted"));
  // With a place for notes it goes there.
  bench.upload.reset();
  bench.service.choices.notes = bench.temp.path() / "state";
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.alerts == std::vector<std::string>{"one"});
  bench.upload.reset();
  bench.options.again = true;
  bench.Begin();
  REQUIRE(bench.Finishes());
  CHECK(bench.server.alerts.size() == 1);
}

}  // namespace
}  // namespace flarebridge::wandb
