// Laws of media and saved files whose content lies beside their event: what becomes of them is what
// becomes of the same bytes within it.
#include <doctest/doctest.h>

#include <map>

#include "receivers/files/durable_file.h"
#include "receivers/files/open_file.h"
#include "tests/unit/receivers/wandb/run/one_run.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using testing::Binary;
using testing::Integer;
using testing::MadeRun;
using testing::Map;
using testing::Text;
using Files = std::map<std::string, std::string>;

const std::string kId(32, '1');

std::string Reference(const std::string& content) {
  return Map({{"blob", Text(kId)}, {"size", Integer(content.size())}});
}

// Files below files/, and the rows, after an event whose value `make` makes of its content.
template <class Make>
std::pair<Files, std::vector<std::string>> Given(const std::string& content, bool beside, Make make,
                                                 DataType type = DataType::kMedia) {
  MadeRun run;
  if (beside) REQUIRE(WriteDurably(run.Blobs() / kId, content).has_value());
  run.Give(type, "key", make(beside ? Reference(content) : Binary(content)), 3);
  std::vector<std::string> rows = run.Rows();
  Files found;
  const fs::path files = run.LogPath().parent_path() / "files";
  for (const auto& entry : fs::recursive_directory_iterator(files)) {
    if (entry.is_regular_file())
      found[fs::relative(entry.path(), files)] = ReadWhole(entry.path(), size_t{1} << 22).value();
  }
  if (beside) CHECK(fs::exists(run.Blobs() / kId));  // the bridge's to delete
  return {found, rows};
}

template <class Make>
void CheckSame(const std::string& content, Make make, DataType type = DataType::kMedia) {
  const auto within = Given(content, false, make, type);
  const auto beside = Given(content, true, make, type);
  CHECK_FALSE(within.first.empty());
  CHECK(beside.first == within.first);
  CHECK(beside.second == within.second);
}

const std::string kPixels(30 * 20 * 3, '\x5a');

std::string ImageOf(const std::string& data) {
  return Map({{"_type", Text("image-file")},
              {"caption", Text("c")},
              {"pixels", Map({{"height", Integer(20)},
                              {"width", Integer(30)},
                              {"channels", Integer(3)},
                              {"data", data}})}});
}

TEST_CASE("pixels beside their event are the same image") { CheckSame(kPixels, ImageOf); }

TEST_CASE("an image's file beside its event is the same image") {
  const std::string png = Given(kPixels, false, ImageOf).first.begin()->second;
  CheckSame(png, [](const std::string& data) {
    return Map({{"_type", Text("image-file")}, {"data", data}});
  });
}

TEST_CASE("a mask, samples and any file beside their event are the same") {
  CheckSame(std::string(6, '\1'), [](const std::string& data) {
    const std::string mask = Map({{"height", Integer(2)}, {"width", Integer(3)}, {"data", data}});
    const std::string pixels = Map({{"height", Integer(2)},
                                    {"width", Integer(3)},
                                    {"channels", Integer(1)},
                                    {"data", Binary("123456")}});
    return Map(
        {{"_type", Text("image-file")}, {"pixels", pixels}, {"masks", Map({{"layer", mask}})}});
  });
  CheckSame("12345678", [](const std::string& data) {
    return Map({{"_type", Text("audio-file")},
                {"pcm16", data},
                {"rate", Integer(8000)},
                {"channels", Integer(2)}});
  });
  CheckSame("any content", [](const std::string& data) {
    return Map({{"_type", Text("video-file")}, {"ext", Text(".mp4")}, {"data", data}});
  });
}

TEST_CASE("a saved file has the name of its event, and its bytes") {
  const auto save = [](const std::string& data) {
    return Map({{"op", Text("save")}, {"data", data}});
  };
  CheckSame(std::string("\0\xff bytes", 8), save, DataType::kOperation);
  CHECK(Given("x", true, save, DataType::kOperation).first == Files{{"key", "x"}});
}

TEST_CASE("a value that is gone, or has another size, is counted and nothing else is") {
  for (const bool there : {false, true}) {
    MadeRun run;
    if (there) REQUIRE(WriteDurably(run.Blobs() / kId, "short").has_value());
    run.Give(DataType::kMedia, "key", ImageOf(Reference(kPixels)), 3);
    run.Operate("file", "save", {{"data", Reference("other size")}});
    run.Log("loss", "\x01", 4);
    CHECK(run.Rows() == std::vector<std::string>{"loss=1"});
    CHECK(run.run().Report().find("2 records have no place") != std::string::npos);
  }
}

TEST_CASE("a reference leads to no other file") {
  MadeRun run;
  REQUIRE(WriteDurably(run.Blobs().parent_path() / "secret", "secret").has_value());
  REQUIRE(WriteDurably(run.Blobs() / "other", "").has_value());
  fs::create_symlink(run.Blobs().parent_path() / "secret", run.Blobs() / kId);
  for (const std::string& id : {kId, std::string("../secret"), std::string(32, '/')}) {
    const std::string reference = Map({{"blob", Text(id)}, {"size", Integer(6)}});
    run.Operate("file", "save", {{"data", reference}});
  }
  run.Log("loss", "\x01", 4);
  run.Drain();
  CHECK(run.run().Report().find("3 records have no place") != std::string::npos);
}

}  // namespace
}  // namespace flarebridge::wandb
