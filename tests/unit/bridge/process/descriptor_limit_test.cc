#include "bridge/process/descriptor_limit.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

namespace flarebridge {
namespace {

TEST_CASE("the soft limit of descriptors becomes the hard one, which stays") {
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit low{64, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
  CHECK(RaiseDescriptorLimit() == before.rlim_max);
  rlimit after{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &after) == 0);
  CHECK(after.rlim_cur == before.rlim_max);
  CHECK(after.rlim_max == before.rlim_max);
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace flarebridge
