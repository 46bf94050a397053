#include "receivers/wandb/upload/server_url.h"

#include <doctest/doctest.h>

#include <vector>

namespace flarebridge::wandb {
namespace {

TEST_CASE("an address is taken as people write it") {
  CHECK(ParseServerUrl("HTTP://Wandb.Example:8080/Below//\n")->url ==
        "http://wandb.example:8080/Below");
  CHECK(ParseServerUrl("https://wandb.example")->machine == "wandb.example");
  CHECK(ParseServerUrl("http://[::1]:8080")->machine == "[::1]:8080");
  CHECK(ParseServerUrl("http://[FD00::1]")->machine == "[fd00::1]");
  CHECK(ParseServerUrl("https://forge.coreweave.com/api/wandb/")->url ==
        "https://api.forge.coreweave.com");
}

TEST_CASE("what is no server's address is refused with words, and no password is repeated") {
  for (const char* text :
       {"", "wandb.example", "ftp://h", "http://", "http://h:0", "http://h:99999", "http://h:x",
        "http://[::1", "http://a b", "http://h?x", "http://h/#a", "https://wandb.ai",
        "https://app.wandb.ai", "http://api.wandb.ai", "https://forge.coreweave.com",
        "http://me:secret@h", "me:secret@h"}) {
    const Expected<ServerUrl> parsed = ParseServerUrl(text);
    CAPTURE(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == ErrorCode::kConfig);
    CHECK(parsed.error().message.find("secret") == std::string::npos);
  }
  CHECK(ParseServerUrl("http://me:secret@h").error().message.find("user name") !=
        std::string::npos);
}

TEST_CASE("pages are where W&B's client says that they are") {
  CHECK(PagesOf("https://api.wandb.ai") == "https://wandb.ai");
  CHECK(PagesOf("https://api.wandb.example.com") == "https://wandb.example.com");
  CHECK(PagesOf("https://api.example.com") == "https://app.example.com");
  CHECK(PagesOf("http://localhost:8080") == "http://localhost:8080");
  CHECK(PagesOf("https://api.forge.coreweave.com") == "https://forge.coreweave.com/wandb");
}

}  // namespace
}  // namespace flarebridge::wandb
