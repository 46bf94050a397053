// Laws of events that name large values: none is stored before its value is on the disk, others do
// not wait for it, and nothing stops for one that can't be had.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "bridge/intake/intake.h"
#include "tests/unit/bridge/intake/arrivals.h"
#include "tests/unit/bridge/intake/memory_log.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Encode;
using flarebridge::testing::kOther;
using flarebridge::testing::kSession;
using flarebridge::testing::MemoryLog;
using flarebridge::testing::Metric;
using flarebridge::testing::Opening;

constexpr Sessions::Time kNow{std::chrono::seconds(100)};
const std::string kId(32, '1');

// A MEDIA of the site that names the value, and says `extra` of it.
std::string Large(std::string_view site, const std::string& extra) {
  const Document value = Document::Parse("\x81\xa1x\x01").value();
  const Document more = Document::Parse(extra).value();
  Data data;
  data.time = 2;
  data.site = site;
  data.type = DataType::kMedia;
  data.tag = "picture";
  data.value = value.root();
  data.step = 1;
  data.extra = more.root();
  return Encode(data);
}
// {"blobs": [[id, 7]]}
std::string Naming(const std::string& id) {
  return std::string("\x81\xa5") + "blobs" + "\x91\x92\xd9\x20" + id + "\x07";
}
std::string Large(std::string_view site) { return Large(site, Naming(kId)); }

struct Keeper : BlobKeeper {
  Expected<State> Take(const std::string& /*session*/, int64_t /*run*/,
                       const BlobRef& blob) override {
    if (missing) return Fail(ErrorCode::kIo, "it is gone");
    return stored.contains(std::string(blob.id)) ? State::kStored : State::kPending;
  }
  void Discard(const std::string& /*session*/, std::string_view id) override {
    discarded.emplace(id);
  }
  void Name(int64_t run, uint64_t position, std::string_view id) override {
    named[{run, position}] = id;
  }
  void Forget(int64_t run, uint64_t position) override { forgotten[run] = position; }

  bool missing = false;
  std::set<std::string> stored, discarded;
  std::map<std::pair<int64_t, uint64_t>, std::string> named;
  std::map<int64_t, uint64_t> forgotten;
};

struct Taking {
  void Take(const std::string& session, uint64_t first, const std::vector<std::string>& events,
            const std::string& client = "") {
    if (first == 1)
      REQUIRE(intake->Hello({kWireVersion, session, "test"}, client, kNow).has_value());
    std::string body;
    for (const std::string& event : events) body += event;
    REQUIRE_FALSE(intake->Take(session, {first, static_cast<uint32_t>(events.size()), body}, kNow));
  }
  uint64_t Acked(const std::string& session) { return intake->AckOf(session).acked_seq; }

  MemoryLog log;
  Keeper keeper;
  IntakeLimits limits;
  std::unique_ptr<Intake> intake = Intake::Load(log, limits, {}, &keeper).value();
};

TEST_CASE("an event is acknowledged when its value is on the disk, and those behind it then") {
  Taking t;
  t.Take(kSession, 1, {Opening(), Metric("a", 1), Large("a"), Metric("a", 2)});
  t.Take(kOther, 1, {Opening(), Metric("b", 1)});
  REQUIRE(t.intake->Commit().has_value());
  CHECK(t.Acked(kSession) == 2);
  CHECK(t.Acked(kOther) == 2);  // another session does not wait
  CHECK_FALSE(t.intake->HasEvents());
  CHECK(t.intake->waiting_bytes() == 0);  // so that others are still heard
  t.Take(kOther, 3, {Metric("b", 2)});
  t.Take(kSession, 5, {Metric("a", 3)});
  CHECK(t.intake->HasEvents());
  REQUIRE(t.intake->Commit().has_value());
  CHECK(t.Acked(kSession) == 2);
  CHECK(t.Acked(kOther) == 3);

  t.keeper.stored.insert(kId);
  t.intake->BlobsAreReady();
  REQUIRE(t.intake->HasEvents());
  const auto committed = t.intake->Commit();
  REQUIRE(committed.has_value());
  CHECK(t.Acked(kSession) == 5);
  CHECK(t.intake->AckOf(kSession).rejected == 0);
  REQUIRE(committed->slices.size() == 1);
  const int64_t run = committed->slices[0].run;
  CHECK(committed->slices[0].count == 3);
  CHECK(t.keeper.named.at({run, committed->slices[0].first_position}) == kId);
  t.intake->Forget(run, committed->slices[0].first_position);
  REQUIRE(t.intake->Commit().has_value());
  CHECK(t.keeper.forgotten.at(run) == committed->slices[0].first_position);
}

TEST_CASE("a value that can't be had rejects its event alone") {
  Taking t;
  t.keeper.missing = true;
  t.Take(kSession, 1, {Opening(), Large("a"), Metric("a", 2)});
  const auto committed = t.intake->Commit();
  REQUIRE(committed.has_value());
  CHECK(t.Acked(kSession) == 3);
  CHECK(t.intake->AckOf(kSession).rejected == 1);
  CHECK(t.keeper.discarded.contains(kId));
  REQUIRE(committed->notices.size() == 1);
  CHECK(committed->notices[0].find("picture: it is gone") != std::string::npos);
}

TEST_CASE("what an event says of its values must make sense") {
  for (const std::string& extra :
       {Naming(std::string(32, '/')), Naming(std::string(32, 'A')),
        Naming("../../../../../../../../etc/shad"), std::string("\x81\xa5") + "blobs\x01",
        std::string("\x81\xa5") + "blobs\x91\x01"}) {
    Taking t;
    t.Take(kSession, 1, {Opening(), Large("a", extra), Metric("a", 2)});
    REQUIRE(t.intake->Commit().has_value());
    CHECK(t.Acked(kSession) == 3);
    CHECK(t.intake->AckOf(kSession).rejected == 1);
  }
}

TEST_CASE("a client from another machine names no file of this one") {
  Taking t;
  t.keeper.stored.insert(kId);
  t.Take(kSession, 1, {Opening(), Large("a")}, "hospital-1");
  REQUIRE(t.intake->Commit().has_value());
  CHECK(t.intake->AckOf(kSession).rejected == 1);
  CHECK(t.keeper.named.empty());
}

TEST_CASE("the values of an event that no receiver wants go with it") {
  Taking t;
  // {"wandb": {"sites": ["b"]}}
  t.Take(kSession, 1,
         {Opening("\x81\xa5wandb\x81\xa5sites\x91\xa1"
                  "b"),
          Large("a")});
  REQUIRE(t.intake->Commit().has_value());
  CHECK(t.keeper.discarded.contains(kId));
  CHECK(t.keeper.named.empty());
}

TEST_CASE("a session that is lost meanwhile ends behind what it sent") {
  Taking t;
  t.Take(kSession, 1, {Opening(), Large("a")});
  REQUIRE(t.intake->Commit().has_value());
  t.intake->EndLost({kSession}, "gone", 5);
  CHECK_FALSE(t.intake->AllEnded());
  REQUIRE(t.intake->Commit().has_value());
  CHECK_FALSE(t.intake->AllEnded());
  t.keeper.stored.insert(kId);
  t.intake->BlobsAreReady();
  const auto committed = t.intake->Commit();
  REQUIRE(committed.has_value());
  CHECK(t.intake->AllEnded());
  REQUIRE(committed->slices.size() == 1);
  CHECK(committed->slices[0].count == 2);
  CHECK(committed->slices[0].ends);
}

}  // namespace
}  // namespace flarebridge
