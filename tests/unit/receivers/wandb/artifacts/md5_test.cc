#include "receivers/wandb/artifacts/md5.h"

#include <doctest/doctest.h>

#include <vector>

namespace flarebridge::wandb {
namespace {

TEST_CASE("MD5 gives the sums of RFC 1321, A.5") {
  const auto hex = [](std::string_view text) { return HexOf(Md5Of(text)); };
  CHECK(hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(hex("a") == "0cc175b9c0f1b6a831c399e269772661");
  CHECK(hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(hex("message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
  CHECK(hex("abcdefghijklmnopqrstuvwxyz") == "c3fcd3d76192e4007dfb496cca67e13b");
  CHECK(hex("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
        "d174ab98d277d9f5a5611c2c9f419d9f");
  CHECK(hex("1234567890123456789012345678901234567890123456789012345678901234567890123456789"
            "0") == "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("MD5 does not depend on the pieces in which bytes come") {
  const std::string bytes(300, 'x');
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::string_view all(bytes.data(), size);
    for (const size_t piece : std::vector<size_t>{1, 7, 63, 64, 65, 200}) {
      Md5 md5;
      for (size_t at = 0; at < size; at += piece) md5.Add(all.substr(at, piece));
      CHECK(md5.Finish() == Md5Of(all));
    }
  }
}

TEST_CASE("a file's digest is its MD5 in base64") {
  CHECK(Base64Of(Md5Of("")) == "1B2M2Y8AsgTpgAmY7PhCfg==");
  CHECK(Base64Of(Md5Of("a")) == "DMF1ucDxtqgxw5niaXcmYQ==");
}

TEST_CASE("a sum's texts give it back, and other texts give none") {
  const Md5Sum sum = Md5Of("content");
  CHECK(SumOfBase64(Base64Of(sum)) == sum);
  CHECK(SumOfHex(HexOf(sum)) == sum);
  CHECK_FALSE(SumOfBase64("1B2M2Y8AsgTpgAmY7PhCfg"));
  CHECK_FALSE(SumOfBase64("1B2M2Y8AsgTpgAmY7Ph!fg=="));
  CHECK_FALSE(SumOfHex("d41d8cd98f00b204e9800998ecf8427"));
  CHECK_FALSE(SumOfHex("d41d8cd98f00b204e9800998ecf8427g"));
}

}  // namespace
}  // namespace flarebridge::wandb
