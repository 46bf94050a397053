// Laws of large values beside the journal: which files become the bridge's own and which never do,
// and when they go.
#include "bridge/blobs/blob_store.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "receivers/files/blob_files.h"
#include "receivers/files/durable_file.h"
#include "receivers/files/open_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using State = BlobKeeper::State;

const std::string kShim(32, 'a');
const std::string kId(32, '1');
const std::string kSecond(32, '2');

struct Place {
  explicit Place(const BlobLimits& limits = {}) { Start(limits); }
  // As after a restart.
  void Start(const BlobLimits& limits = {}) {
    store.reset();
    store = BlobStore::Open(temp.path(), limits).value();
  }
  fs::path spool() const { return SpoolOf(temp.path(), kShim); }
  fs::path own(const std::string& id = kId) const { return BlobsFolder(temp.path()) / id; }
  void Spool(const std::string& id, const std::string& content) const {
    REQUIRE(WriteDurably(spool() / id, content).has_value());
  }
  // Asked again and again until it is not pending.
  Expected<State> Take(const std::string& id, uint64_t size, int64_t run = 1) {
    while (true) {
      const Expected<State> state = store->Take(kShim, run, {id, size});
      if (!state || *state == State::kStored) return state;
      pollfd ready{store->fd(), POLLIN, 0};
      REQUIRE(poll(&ready, 1, 10000) == 1);
      store->OnReady();
    }
  }
  // All that was told is done.
  void Settle() { store.reset(); }

  testing::TempFolder temp;
  std::unique_ptr<BlobStore> store;
};

TEST_CASE("a spooled file becomes the bridge's own, and goes when no event needs it any more") {
  Place place;
  place.Spool(kId, "content");
  REQUIRE(place.Take(kId, 7).has_value());
  CHECK(ReadWhole(place.own(), 100).value() == "content");
  CHECK_FALSE(fs::exists(place.spool() / kId));
  place.store->Name(1, 10, kId);
  place.store->Name(1, 12, kId);
  place.store->Forget(1, 11);
  place.store->Forget(2, 99);
  CHECK(place.store->held_bytes() == 7);
  place.store->Forget(1, 12);
  CHECK(place.store->held_bytes() == 0);
  place.Settle();
  CHECK_FALSE(fs::exists(place.own()));
}

TEST_CASE("what is no file of the size that its event says never becomes a value") {
  Place place;
  const fs::path secret = place.temp.path() / "secret";
  REQUIRE(WriteDurably(secret, "content").has_value());
  fs::create_directories(place.spool());
  std::string why;
  const auto refuses = [&](uint64_t size = 7) {
    const Expected<State> taken = place.Take(kId, size);
    REQUIRE_FALSE(taken.has_value());
    CHECK_FALSE(fs::exists(place.own()));
    CHECK(place.store->held_bytes() == 0);
    return taken.error().message;
  };
  SUBCASE("nothing") { why = "not in the spool"; }
  SUBCASE("a link") {
    fs::create_symlink(secret, place.spool() / kId);
    why = "is a link";
  }
  SUBCASE("a second name of a file") {
    fs::create_hard_link(secret, place.spool() / kId);
    why = "second name";
  }
  SUBCASE("a pipe, which would hold up whoever opens it") {
    REQUIRE(mkfifo((place.spool() / kId).c_str(), 0600) == 0);
    why = "no file";
  }
  SUBCASE("a folder") {
    fs::create_directory(place.spool() / kId);
    why = "no file";
  }
  SUBCASE("one of another size") {
    place.Spool(kId, "cont");
    why = "4 bytes";
  }
  SUBCASE("one in a session's folder that is a link") {
    fs::remove(place.spool());
    fs::create_directory(place.temp.path() / "elsewhere");
    REQUIRE(WriteDurably(place.temp.path() / "elsewhere" / kId, "content").has_value());
    fs::create_directory_symlink(place.temp.path() / "elsewhere", place.spool());
    why = "not in the spool";
  }
  CHECK(refuses().find(why) != std::string::npos);
  place.Settle();
  CHECK(ReadWhole(secret, 100).value() == "content");
}

TEST_CASE("a value is its session's, and of one size") {
  Place place;
  place.Spool(kId, "content");
  REQUIRE(place.Take(kId, 7).has_value());
  CHECK_FALSE(place.store->Take(std::string(32, 'b'), 1, {kId, 7}).has_value());
  CHECK_FALSE(place.store->Take(kShim, 1, {kId, 8}).has_value());
}

TEST_CASE("a bridge that died between taking a value over and storing its event has it") {
  Place place;
  place.Spool(kId, "content");
  REQUIRE(place.Take(kId, 7).has_value());
  place.Start();
  REQUIRE(place.Take(kId, 7).has_value());
  CHECK(ReadWhole(place.own(), 100).value() == "content");
}

TEST_CASE("there is a limit of a value, of a run's, and of all that wait for their runs") {
  Place place({100, 200});
  CHECK_FALSE(place.Take(kId, 101).has_value());
  const auto give = [&place](char digit, int64_t run) {
    const std::string id(32, digit);
    place.Spool(id, std::string(60, 'x'));
    const bool taken = place.Take(id, 60, run).has_value();
    if (taken) place.store->Name(run, 5, id);
    return taken;
  };
  CHECK(give('1', 1));
  CHECK_FALSE(give('2', 1));
  CHECK(give('3', 2));
  CHECK(give('4', 3));
  CHECK_FALSE(give('5', 4));
  place.store->Forget(1, 5);
  CHECK(give('6', 4));
}

TEST_CASE("an event that nobody wants takes its value with it, and so does a session's end") {
  Place place;
  place.Spool(kId, "content");
  place.store->Discard(kShim, kId);
  place.Spool(kSecond, "content");
  place.Spool("unfinished.part", "cont");
  place.store->DropSession(kShim);
  place.Settle();
  CHECK_FALSE(fs::exists(place.temp.path() / "spool"));
}

TEST_CASE("what nobody names is swept away in time; what may still be named stays") {
  Place place;
  const std::string stranger(32, 'c');
  const fs::path theirs = SpoolOf(place.temp.path(), stranger);
  place.Spool(kId, "content");
  place.Spool(kId + ".part", "cont");
  REQUIRE(WriteDurably(theirs / kSecond, "content").has_value());
  REQUIRE(WriteDurably(place.own(), "named").has_value());
  REQUIRE(WriteDurably(place.own(kSecond), "not named").has_value());
  {
    const UniqueFd shim = OpenFolder(theirs).value();  // whose process lives
    REQUIRE(flock(shim.get(), LOCK_SH) == 0);
    CHECK(Sweep(place.temp.path(), {kShim}, {kId}, std::chrono::hours(1)) == 0);
  }
  CHECK(Sweep(place.temp.path(), {kShim}, {kId}, std::chrono::hours(1)) == 1);
  CHECK_FALSE(fs::exists(theirs));
  CHECK(Sweep(place.temp.path(), {kShim}, {kId}, std::chrono::seconds(0)) == 2);
  CHECK(fs::exists(place.spool() / kId));
  CHECK(fs::exists(place.own()));
  CHECK_FALSE(fs::exists(theirs));
  CHECK_FALSE(fs::exists(place.own(kSecond)));
}

TEST_CASE("a sweep follows no links") {
  Place place;
  const fs::path elsewhere = place.temp.path() / "elsewhere";
  REQUIRE(WriteDurably(elsewhere / "file", "mine").has_value());
  fs::create_directories(place.spool().parent_path());
  fs::create_directory_symlink(elsewhere, place.spool());
  (void)Sweep(place.temp.path(), {}, {}, std::chrono::seconds(0));
  place.store->DropSession(kShim);
  place.Settle();
  CHECK(fs::exists(elsewhere / "file"));
}

}  // namespace
}  // namespace flarebridge
