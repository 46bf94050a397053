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

}  // namespace
}  // namespace flarebridge
