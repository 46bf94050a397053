#include "bridge/intake/router.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

TEST_CASE("a site's run depends on job, run name and side, and on nothing else") {
  Router router;
  const Router::Scope server = router.FindScope("", "job", "run", "server");
  CHECK(router.FindScope("", "job", "run", "server") == server);
  const Router::Scope client = router.FindScope("", "job", "run", "client");
  CHECK(client != server);
  CHECK_FALSE(router.Find(server, "site-1").has_value());
  router.Add(server, "site-1", 5);
  CHECK(router.Find(server, "site-1") == 5);
  CHECK_FALSE(router.Find(client, "site-1").has_value());
  router.Remove(server, "site-1");
  CHECK_FALSE(router.Find(server, "site-1").has_value());
}

TEST_CASE("what nobody uses takes no memory, and the rest stays as it is") {
  Router router;
  const Router::Scope kept = router.FindScope("", "kept", "run", "server");
  router.Add(kept, "site", 1);
  for (int job = 0; job < 10000; ++job) {
    const Router::Scope scope = router.FindScope("", std::to_string(job), "run", "server");
    CHECK(scope <= 1);
    CHECK_FALSE(router.Find(scope, "site").has_value());
    router.Add(scope, "site", 2);
    router.KeepOnly({kept});
  }
  CHECK(router.Find(kept, "site") == 1);
  CHECK(router.FindScope("", "kept", "run", "server") == kept);
}

}  // namespace
}  // namespace flarebridge
