#include "bridge/uploader/upload_kinds.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

TEST_CASE("a kind that is not known is refused by its name") {
  const auto pool = StartUploadKind("unheard-of", 1, {});
  REQUIRE_FALSE(pool.has_value());
  CHECK(pool.error().code == ErrorCode::kUnsupported);
  CHECK(pool.error().message.find("\"unheard-of\"") != std::string::npos);
}

}  // namespace
}  // namespace flarebridge
