#include "events/value.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

TEST_CASE("a claim of billions of items in five bytes is refused without memory for them") {
  Tape tape;
  for (const std::string& header :
       {std::string("\xdd\x0f\xff\xff\xff", 5), std::string("\xdf\xff\xff\xff\xff", 5)}) {
    const Expected<size_t> decoded = DecodeValue(header, tape);
    REQUIRE_FALSE(decoded.has_value());
    CHECK(decoded.error().code == ErrorCode::kTooLarge);
    CHECK(tape.capacity() < 1024);
  }
}

TEST_CASE("sixteen levels pass, seventeen do not") {
  Tape tape;
  CHECK(DecodeValue(std::string(16, '\x91') + '\xc0', tape).has_value());
  const Expected<size_t> deeper = DecodeValue(std::string(17, '\x91') + '\xc0', tape);
  REQUIRE_FALSE(deeper.has_value());
  CHECK(deeper.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("more than 65536 values are refused") {
  Tape tape;
  // Two lists of 40,000 nils in a list.
  const std::string nils = std::string("\xdc\x9c\x40", 3) + std::string(40000, '\xc0');
  CHECK(DecodeValue(nils, tape).has_value());
  CHECK_FALSE(DecodeValue("\x92" + nils + nils, tape).has_value());
}

TEST_CASE("a document owns its bytes, also when it is copied and moved") {
  Document copy;
  {
    // {"a": ["x", 1]}
    Document document = Document::Parse("\x81\xa1\x61\x92\xa1\x78\x01").value();
    copy = document;
    Document moved = std::move(document);
    CHECK(moved.root().Find("a")->size() == 2);
  }
  std::string text;
  copy.root().Find("a")->ForEachItem([&](Value item) { text += item.AsText().value_or("-"); });
  CHECK(text == "x-");
}

TEST_CASE("a document is one value and nothing behind it") {
  CHECK_FALSE(Document::Parse(std::string("\xc0\xc0", 2)).has_value());
  CHECK_FALSE(Document::Parse("").has_value());
}

TEST_CASE("a number is read as what it is, and not as what it does not fit") {
  Tape tape;
  REQUIRE(DecodeValue(std::string("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9), tape).has_value());
  CHECK(Value(tape.data()).AsUint64() == UINT64_MAX);
  CHECK_FALSE(Value(tape.data()).AsInt64().has_value());
  REQUIRE(DecodeValue("\xff", tape).has_value());
  CHECK(Value(tape.data()).AsInt64() == -1);
  CHECK_FALSE(Value(tape.data()).AsUint64().has_value());
  CHECK_FALSE(Value(tape.data()).AsText().has_value());
}

}  // namespace
}  // namespace flarebridge
