#include "bridge/intake/opened_session.h"

#include <doctest/doctest.h>

#include "tests/unit/bridge/intake/arrivals.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Encode;
using flarebridge::testing::Opening;

const OpenedSession::Surroundings kSurroundings{"journal", "/clients"};

Expected<std::shared_ptr<const OpenedSession>> Restore(const std::string& stored) {
  return OpenedSession::Restore(stored, kSurroundings);
}

TEST_CASE("what is stored of an opening gives the same opening again, owner and all") {
  const std::string stored = Opening("\x81\xa5wandb\x80", "client") + "ann";
  const auto opened = Restore(stored).value();
  CHECK(opened->stored() == stored);
  CHECK(opened->owner() == "ann");
  CHECK(opened->job() == "job");
  CHECK(opened->run_name() == "run");
  CHECK(opened->side() == "client");
  const auto again = Restore(opened->stored()).value();
  CHECK(again->stored() == stored);
  CHECK(again->owner() == "ann");
}

TEST_CASE("a run is of the session's job, its site, its start and this journal") {
  const RunSpec spec = Restore(Opening()).value()->SpecOf("site-1", 5);
  CHECK(spec.journal == "journal");
  CHECK(spec.job == "job");
  CHECK(spec.site == "site-1");
  CHECK(spec.run_name == "run");
  CHECK(spec.side == "server");
  CHECK(spec.folder == "/tmp");
  CHECK(spec.started == 5);
  CHECK(spec.receivers.root().size() == 1);
}

TEST_CASE("an owner's runs lie where the bridge says, in the settings as in the run") {
  const auto opened = Restore(Opening() + "ann").value();
  CHECK(opened->SpecOf("site-1", 5).folder == "/clients/ann");
  CHECK(opened->receivers().at(0).folder() == "/clients/ann");
  // {"wandb": {"dir": "/etc"}}
  const std::string choosing = Opening(
      "\x81\xa5wandb\x81\xa3"
      "dir\xa4/etc");
  CHECK(Restore(choosing).value()->receivers().at(0).folder() == "/etc");
  CHECK(Restore(choosing + "ann").error().code == ErrorCode::kConfig);
}

TEST_CASE("a relative folder and a filter that makes no sense are refused") {
  const Document receivers = Document::Parse("\x81\xa5wandb\x80").value();
  CHECK(Restore(Encode(SessionOpened{1, "job", "run", "server", "here", receivers.root()}))
            .error()
            .code == ErrorCode::kConfig);
  CHECK(Restore(Opening("\x81\xa5wandb\x81\xa5sites\x05")).error().code == ErrorCode::kConfig);
}

TEST_CASE("a session whose receiver can't use its arguments is taken: the run's worker tells") {
  // {"wandb": {"mode": 1}}
  const auto opened = Restore(Opening("\x81\xa5wandb\x81\xa4mode\x01")).value();
  CHECK_FALSE(opened->receivers().at(0).own().has_value());
  CHECK(opened->Wants(RunStarted{1, "site-1"}));
}

TEST_CASE("an event is wanted by a session if any of its receivers wants it") {
  // {"wandb": {"sites": "a"}, "other": {"sites": "b"}}
  const auto opened = Restore(Opening("\x82\xa5wandb\x81\xa5sites\xa1"
                                      "a\xa5other\x81\xa5sites\xa1"
                                      "b"))
                          .value();
  CHECK(opened->Wants(RunStarted{1, "a"}));
  CHECK(opened->Wants(RunStarted{1, "b"}));
  CHECK_FALSE(opened->Wants(RunStarted{1, "c"}));
}

TEST_CASE("bytes that are no opening are not taken for one") {
  CHECK(Restore(Encode(RunStarted{1, "a"})).error().code == ErrorCode::kMalformed);
  CHECK_FALSE(Restore("").has_value());
}

}  // namespace
}  // namespace flarebridge
