#include "receivers/files/stable_hash.h"

#include <doctest/doctest.h>

#include <string>

namespace flarebridge {
namespace {

TEST_CASE("the hash of a text is the same for ever, because files hold it") {
  // python3: int.from_bytes(hashlib.blake2b(text, digest_size=16).digest()[:8], "little")
  CHECK(StableHash("") == 4665148505410102986u);
  CHECK(StableHash("/runs/a.wandb") == 9088460582842172941u);
  CHECK(StableHash(std::string(1000, 'x')) == 5514244277141353161u);
  CHECK(StableHashBytes("").at(0) == 0xca);
}

}  // namespace
}  // namespace flarebridge
