#include "receivers/wandb/upload/access_token.h"

#include <doctest/doctest.h>

#include <fstream>
#include <vector>

#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/secret_text.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

using flarebridge::testing::TempFolder;
using std::chrono::seconds;

// Answers each request with the same words, and keeps what came.
class Answering : public HttpTransport {
 public:
  Expected<HttpResponse> Send(const HttpRequest& request) override {
    urls.push_back(request.url);
    bodies.emplace_back(request.body);
    headers = request.headers;
    user = request.user;
    return HttpResponse{status, answer, {}, {}, {}};
  }
  long status = 200;
  std::string answer;
  std::vector<std::string> urls, bodies, headers;
  std::string user;
};

struct Bench {
  Bench() { std::ofstream(identity()) << "head.body.sign\n"; }
  std::filesystem::path identity() const { return temp.path() / "token"; }
  TempFolder temp;
  Answering http;
  AccessToken token{"http://server", identity()};
  Clock::time_point now{};
};

TEST_CASE("an identity is exchanged as RFC 7523 has it, once for the token's time") {
  Bench bench;
  bench.http.answer = R"({"access_token": "first", "expires_in": 3600})";
  CHECK(bench.token.Get(bench.http, bench.now).value() == "first");
  CHECK(bench.http.urls == std::vector<std::string>{"http://server/oidc/token"});
  CHECK(bench.http.bodies[0] ==
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=head.body.sign");
  CHECK(bench.http.headers ==
        std::vector<std::string>{"Content-Type: application/x-www-form-urlencoded"});
  bench.http.answer = R"({"access_token": "second", "expires_in": 3600})";
  CHECK(bench.token.Get(bench.http, bench.now + seconds(3299)).value() == "first");
  CHECK(bench.token.Get(bench.http, bench.now + seconds(3301)).value() == "second");
  CHECK(bench.http.urls.size() == 2);
}

TEST_CASE("what the server does not exchange is told with the file and the server") {
  Bench bench;
  bench.http.status = 401;
  const auto refused = bench.token.Get(bench.http, bench.now);
  CHECK(refused.error().code == ErrorCode::kConfig);
  CHECK(refused.error().message.find("was refused by http://server: status 401") !=
        std::string::npos);
  bench.http.status = 503;
  CHECK(bench.token.Get(bench.http, bench.now).error().code == ErrorCode::kIo);
  bench.http.status = 200;
  for (const char* answer :
       {"", "[]", "{}", R"({"access_token": 1})", R"({"access_token": "a b"})"}) {
    bench.http.answer = answer;
    CHECK(bench.token.Get(bench.http, bench.now).error().code == ErrorCode::kIo);
  }
  std::filesystem::remove(bench.identity());
  const auto none = bench.token.Get(bench.http, bench.now);
  CHECK(none.error().code == ErrorCode::kConfig);
  CHECK(none.error().message.find("WANDB_IDENTITY_TOKEN_FILE: ") == 0);
}

TEST_CASE("requests are signed with the token in place of a key") {
  Bench bench;
  Account account;
  account.base_url = "http://server";
  account.token = std::make_shared<AccessToken>("http://server", bench.identity());
  bench.http.answer = R"({"access_token": "given", "expires_in": 3600})";
  Api api(bench.http, account);
  bool stopped = false;
  (void)api.Stream({"e", "p", "r"}, {}, stopped);
  CHECK(bench.http.urls.back() == "http://server/files/e/p/r/file_stream");
  CHECK(bench.http.headers[0] == "Authorization: Bearer given");
  CHECK(bench.http.user.empty());
  // A server that repeats what it was sent does not bring it before people.
  bench.http.status = 400;
  bench.http.answer = "you sent given";
  CHECK(api.Stream({"e", "p", "r"}, {}, stopped).words.find("you sent <the token>") !=
        std::string::npos);
}

TEST_CASE("a text without its secret is made in one go, whatever the secret is") {
  CHECK(Without("key", "<the API key>", "a key is a key") == "a <the API key> is a <the API key>");
  CHECK(Without("", "<the API key>", "a key") == "a key");
}

TEST_CASE("a refused key is told with the server and where it is from") {
  Bench bench;
  Account account;
  account.base_url = "http://server";
  account.key = "key";
  account.key_source = "/made-up/.netrc, line 3";
  bench.http.status = 401;
  bench.http.answer = "invalid API key";
  Api api(bench.http, account);
  bool stopped = false;
  const std::string words = api.Stream({"e", "p", "r"}, {}, stopped).words;
  CHECK(words ==
        "status 401: http://server does not accept the API key from /made-up/.netrc, line 3 "
        "(invalid API <the API key>)");
  const Attempt put = api.Put({"f", "http://storage/f", {}}, "");
  CHECK(put.words.find("key from") == std::string::npos);
}

}  // namespace
}  // namespace flarebridge::wandb
