// Laws of a file of lines that is interrupted and continued: every event exactly once.
#include "receivers/jsonl/jsonl_run.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "receivers/files/open_file.h"
#include "receivers/jsonl/line.h"
#include "receivers/jsonl/line_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::jsonl {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using Numbers = std::vector<uint64_t>;

class Folder {
 public:
  std::unique_ptr<JsonlRun> Open(uint64_t durable = 0, const std::string& journal = "journal-1") {
    RunSpec spec;
    spec.journal = journal;
    spec.job = "job";
    spec.site = "site-1";
    spec.run_name = "run";
    spec.side = "server";
    spec.started = 1789000000;
    spec.durable = durable;
    Expected<std::unique_ptr<JsonlRun>> run = JsonlRun::Open(spec, temp_.path().string());
    REQUIRE_MESSAGE(run.has_value(), (run ? "" : run.error().message));
    return std::move(*run);
  }
  fs::path File() const {
    for (const auto& file : fs::directory_iterator(temp_.path() / "jsonl")) {
      if (file.path().extension() == ".jsonl") return file.path();
    }
    FAIL("no file");
    return {};
  }
  std::string Bytes() const {
    std::ifstream in(File(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Overwrite(const std::string& bytes) const {
    std::ofstream(File(), std::ios::binary | std::ios::trunc) << bytes;
  }
  // Values of the metrics in the file; each line must be JSON.
  Numbers Found() const {
    Numbers found;
    std::ifstream in(File());
    for (std::string line; std::getline(in, line);) {
      const nlohmann::json parsed = nlohmann::json::parse(line);
      if (parsed["type"] == "METRIC") found.push_back(parsed["value"]);
    }
    return found;
  }
  size_t FilesAside() const {
    size_t count = 0;
    for (const auto& file : fs::directory_iterator(temp_.path() / "jsonl"))
      count += size_t{file.path().string().find(".damaged") != std::string::npos};
    return count;
  }
  const fs::path& path() const { return temp_.path(); }

 private:
  TempFolder temp_;
};

// A metric whose value is its position.
void Give(JsonlRun& run, uint64_t position) {
  ValueNode node;
  node.kind = ValueKind::kUint;
  node.unsigned_integer = position;
  Data data;
  data.time = 1789000000;
  data.site = "site-1";
  data.type = DataType::kMetric;
  data.tag = "n";
  data.value = Value(&node);
  REQUIRE(run.Write(position, data, {}).has_value());
}

void Give(JsonlRun& run, uint64_t first, uint64_t last) {
  for (; first <= last; ++first) Give(run, first);
}

TEST_CASE("an event is readable after a flush, and durable after a sync") {
  Folder folder;
  const auto run = folder.Open();
  CHECK(run->DurablePosition() == 0);
  Give(*run, 1, 3);
  CHECK(folder.Found().empty());
  REQUIRE(run->Flush({}).has_value());
  CHECK(folder.Found() == Numbers{1, 2, 3});
  CHECK(run->DurablePosition() == 0);
  REQUIRE(run->Persist().has_value());
  CHECK(run->DurablePosition() == 3);
  CHECK_FALSE(run->Upload().has_value());
}

TEST_CASE("wherever the file is torn, a replay brings each event once") {
  Folder folder;
  {
    const auto run = folder.Open();
    Give(*run, 1, 4);
    REQUIRE(run->Drain().has_value());
  }
  const std::string whole = folder.Bytes();
  for (size_t size = 0; size <= whole.size(); ++size) {
    folder.Overwrite(whole.substr(0, size));
    {
      const auto run = folder.Open();
      CHECK(run->Report().empty());
      Give(*run, 1, 6);
      REQUIRE(run->Drain().has_value());
      CHECK(run->DurablePosition() == 6);
    }
    CHECK(folder.Found() == Numbers{1, 2, 3, 4, 5, 6});
  }
}

TEST_CASE("what a power cut left behind what was confirmed is cut off and written again") {
  Folder folder;
  size_t confirmed = 0;
  {
    const auto run = folder.Open();
    Give(*run, 1, 2);
    REQUIRE(run->Drain().has_value());
    confirmed = folder.Bytes().size();
    Give(*run, 3, 6);
    REQUIRE(run->Drain().has_value());
  }
  std::string bytes = folder.Bytes();
  bytes.replace(confirmed, 50, 50, '\0');  // a sector that never got there, whole lines behind it
  folder.Overwrite(bytes);
  {
    const auto run = folder.Open(2);
    CHECK(run->DurablePosition() == 2);
    CHECK(run->Report().empty());
    Give(*run, 3, 6);
    REQUIRE(run->Drain().has_value());
  }
  CHECK(folder.Found() == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(folder.FilesAside() == 0);
}

TEST_CASE("a file that is damaged in what was confirmed is set aside, and the run goes on") {
  Folder folder;
  {
    const auto run = folder.Open();
    Give(*run, 1, 6);
    REQUIRE(run->Drain().has_value());
  }
  std::string bytes = folder.Bytes();
  bytes[bytes.size() / 2] ^= 1;
  folder.Overwrite(bytes);
  const auto run = folder.Open(6);
  CHECK(run->Report().find(".damaged") != std::string::npos);
  Give(*run, 7);
  REQUIRE(run->Drain().has_value());
  CHECK(folder.Found() == Numbers{7});
  CHECK(folder.FilesAside() == 1);
}

TEST_CASE("another journal's positions are others, and its lines stay") {
  Folder folder;
  {
    const auto run = folder.Open();
    Give(*run, 1, 2);
    REQUIRE(run->Drain().has_value());
  }
  {
    const auto run = folder.Open(0, "journal-2");
    CHECK(run->DurablePosition() == 0);
    Give(*run, 1, 2);
    REQUIRE(run->Drain().has_value());
  }
  CHECK(folder.Found() == Numbers{1, 2, 1, 2});
  CHECK(folder.Open()->DurablePosition() == 2);
}

TEST_CASE("a file is read from what was confirmed on, and says what reading all says") {
  // Lines of two journals; the second one's begin behind a mebibyte.
  std::string bytes;
  ValueNode node;
  node.kind = ValueKind::kText;
  const std::string text(400, 't');
  node.text = text;
  Data data;
  data.site = data.tag = "n";
  data.value = Value(&node);
  constexpr uint64_t kLines = 6000;
  for (uint64_t line = 1; line <= kLines; ++line)
    AppendData(data, {line <= 3000 ? uint64_t{1} : uint64_t{2}, line, {}}, bytes);
  REQUIRE(bytes.size() > size_t{3} << 20);
  const TempFolder temp;
  const UniqueFd file = CreateFile(temp.path() / "lines", 0600, Existing::kKeep).value();
  const auto ends = {bytes.size(), bytes.size() - 1, bytes.size() - 300, bytes.size() / 2 + 7};
  for (const size_t size : ends) {
    for (const bool zeros : {false, true}) {
      REQUIRE(CutFile(file.get(), 0).has_value());
      const std::string end = zeros ? std::string(5000, '\0') + "\n" : "";
      REQUIRE(WriteAt(file.get(), 0, bytes.substr(0, size) + end).has_value());
      for (const uint64_t journal : {1U, 2U, 3U}) {
        const FoundLines all = ReadLines(file.get(), journal, 0).value();
        for (const uint64_t durable : {0U, 10U, 2900U, 3000U, 3001U, 4500U, 5990U}) {
          if (durable > all.applied.floor()) continue;  // it was not confirmed
          CAPTURE(size);
          CAPTURE(journal);
          CAPTURE(durable);
          size_t pieces = 0;
          const FoundLines found =
              ReadLines(file.get(), journal, durable, [&pieces] { ++pieces; }).value();
          CHECK(found.applied.floor() == all.applied.floor());
          CHECK(found.applied.knows_journal() == all.applied.knows_journal());
          CHECK(found.whole_end == all.whole_end);
          CHECK(found.damaged == all.damaged);
          if (durable > 5900) CHECK(pieces <= 4);
        }
      }
    }
  }
}

TEST_CASE("one process writes a run's file") {
  Folder folder;
  const auto run = folder.Open();
  RunSpec spec;
  spec.journal = "journal-1";
  spec.job = "job";
  spec.site = "site-1";
  spec.run_name = "run";
  spec.side = "server";
  const auto other = JsonlRun::Open(spec, folder.path().string());
  REQUIRE_FALSE(other.has_value());
  CHECK(other.error().code == ErrorCode::kBusy);
}

}  // namespace
}  // namespace flarebridge::jsonl
