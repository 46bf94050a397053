#include "receivers/receiver_settings.h"

#include <doctest/doctest.h>

#include "receivers/receivers.h"

namespace flarebridge {
namespace {

Expected<std::vector<ReceiverSettings>> ParseAll(const std::string& receivers) {
  return ReceiverSettings::ParseAll(Document::Parse(receivers).value().root(), "/runs");
}

TEST_CASE("a receiver writes below the session's folder, or below the one that its user names") {
  // {"wandb": {}}, {"wandb": {"dir": "/mine"}}
  const ReceiverSettings plain = ParseAll("\x81\xa5wandb\x80").value().at(0);
  CHECK(plain.folder() == "/runs");
  CHECK_FALSE(plain.chooses_folder());
  const ReceiverSettings chosen = ParseAll(
                                      "\x81\xa5wandb\x81\xa3"
                                      "dir\xa5/mine")
                                      .value()
                                      .at(0);
  CHECK(chosen.folder() == "/mine");
  CHECK(chosen.chooses_folder());
}

TEST_CASE("a relative folder that a user names is below the session's") {
  // {"wandb": {"dir": "mine"}}
  const ReceiverSettings chosen = ParseAll(
                                      "\x81\xa5wandb\x81\xa3"
                                      "dir\xa4mine")
                                      .value()
                                      .at(0);
  CHECK(chosen.folder() == "/runs/mine");
  CHECK(chosen.chooses_folder());
}

TEST_CASE(
    "whoever names a folder by something that is no text has chosen, and gets the session's") {
  // {"wandb": {"dir": 5}}
  const ReceiverSettings settings = ParseAll(
                                        "\x81\xa5wandb\x81\xa3"
                                        "dir\x05")
                                        .value()
                                        .at(0);
  CHECK(settings.chooses_folder());
  CHECK(settings.folder() == "/runs");
}

TEST_CASE("all receivers are there, in their order, each with its filter") {
  // {"wandb": {"sites": "a"}, "other": {}}
  const std::vector<ReceiverSettings> all = ParseAll(
                                                "\x82\xa5wandb\x81\xa5sites\xa1"
                                                "a\xa5other\x80")
                                                .value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name() == "wandb");
  CHECK(all[1].name() == "other");
  CHECK_FALSE(all[0].filter().Wants(RunStarted{1, "b"}));
  CHECK(all[1].filter().Wants(RunStarted{1, "b"}));
}

TEST_CASE("a filter that makes no sense is refused with the receiver's name") {
  // {"wandb": {"sites": 5}}
  const auto refused = ParseAll("\x81\xa5wandb\x81\xa5sites\x05");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::kConfig);
  CHECK(refused.error().message == "receiver wandb: sites must be a text or a list of texts");
}

TEST_CASE("what is wrong with a receiver's own arguments is told by whoever opens it") {
  // {"wandb": {"mode": 1}, "other": {}}
  const std::vector<ReceiverSettings> all =
      ParseAll("\x82\xa5wandb\x81\xa4mode\x01\xa5other\x80").value();
  const auto wrong = OpenReceiver(RunSpec(), all.at(0));
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code == ErrorCode::kConfig);
  CHECK(wrong.error().message == "wandb argument mode must be offline or online");
  const auto unknown = OpenReceiver(RunSpec(), all.at(1));
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().code == ErrorCode::kConfig);
  CHECK(unknown.error().message.starts_with("there is no receiver \"other\"; known: wandb, jsonl"));
}

}  // namespace
}  // namespace flarebridge
