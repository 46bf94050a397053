#include "events/link_message.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/unit/events/vectors.h"

namespace flarebridge {
namespace {

using nlohmann::json;
using testing::FromHex;
using testing::LoadVectors;

struct Describe {
  json operator()(const Hello& m) const {
    return {{"kind", "hello"},
            {"version", m.version},
            {"session", m.session},
            {"producer", m.producer}};
  }
  json operator()(const Batch& m) const {
    return {{"kind", "batch"}, {"first_seq", m.first_seq}, {"count", m.count}};
  }
  json operator()(const Ping&) const { return {{"kind", "ping"}}; }
  json operator()(const Bye&) const { return {{"kind", "bye"}}; }
  json operator()(const Welcome& m) const {
    json welcome = {{"kind", "welcome"},
                    {"version", m.version},
                    {"bridge", m.bridge},
                    {"acked_seq", m.acked_seq},
                    {"credit_bytes", m.credit_bytes},
                    {"heartbeat_ms", m.heartbeat_ms}};
    if (!m.spool.empty()) welcome["spool"] = m.spool;
    return welcome;
  }
  json operator()(const Ack& m) const {
    json ack = {{"kind", "ack"},
                {"acked_seq", m.acked_seq},
                {"credit_bytes", m.credit_bytes},
                {"rejected", m.rejected}};
    if (m.unwritten) ack["unwritten"] = *m.unwritten;
    return ack;
  }
  json operator()(const Notice& m) const {
    json notice = {{"kind", "notice"}, {"level", static_cast<int>(m.level)}, {"text", m.text}};
    if (m.kind != NoticeKind::kWords) notice["notice"] = static_cast<int>(m.kind);
    return notice;
  }
  json operator()(const Refusal& m) const {
    return {{"kind", "refusal"}, {"code", static_cast<int>(m.code)}, {"text", m.text}};
  }
};

TEST_CASE("every shared example of a message parses to its fields and encodes to its bytes") {
  const json vectors = LoadVectors("messages.json");
  for (const json& vector : vectors["accept"]) {
    CAPTURE(vector["name"].get<std::string>());
    const std::string header = FromHex(vector["hex"]);
    if (vector["direction"] == "to_bridge") {
      const Expected<ShimMessage> message = ParseShimMessage(header, "body");
      REQUIRE(message.has_value());
      CHECK(std::visit(Describe(), *message) == vector["message"]);
      CHECK(EncodeHeader(*message) == header);
    } else {
      const Expected<BridgeMessage> message = ParseBridgeMessage(header);
      REQUIRE(message.has_value());
      CHECK(std::visit(Describe(), *message) == vector["message"]);
      CHECK(EncodeHeader(*message) == header);
    }
  }
}

TEST_CASE("every bad example of a message is refused with its code") {
  const std::map<std::string, ErrorCode> codes = {{"malformed", ErrorCode::kMalformed},
                                                  {"too_large", ErrorCode::kTooLarge},
                                                  {"unsupported", ErrorCode::kUnsupported}};
  const json vectors = LoadVectors("messages.json");
  REQUIRE(vectors["reject"].size() >= 8);
  for (const json& vector : vectors["reject"]) {
    CAPTURE(vector["name"].get<std::string>());
    const Expected<ShimMessage> message = ParseShimMessage(FromHex(vector["hex"]), {});
    REQUIRE_FALSE(message.has_value());
    CHECK(message.error().code == codes.at(vector["code"]));
  }
}

TEST_CASE("a notice of a later kind, or with more fields, is words") {
  // [3, 1, "x", 9] and [3, 1, "x", 0, nil].
  for (const char* bytes : {"\x94\x03\x01\xa1x\x09", "\x95\x03\x01\xa1x\x00\xc0"}) {
    const size_t size = bytes[0] == '\x94' ? 6 : 7;
    const Expected<BridgeMessage> message = ParseBridgeMessage(std::string_view(bytes, size));
    REQUIRE(message.has_value());
    CHECK(std::get<Notice>(*message).text == "x");
    CHECK(std::get<Notice>(*message).kind == NoticeKind::kWords);
  }
}

TEST_CASE("a batch's body of more than 2 MiB is refused") {
  const std::string header = EncodeHeader(ShimMessage(Batch{1, 1, {}}));
  CHECK(ParseShimMessage(header, std::string(kMaxBatchBytes, 'x')).has_value());
  CHECK_FALSE(ParseShimMessage(header, std::string(kMaxBatchBytes + 1, 'x')).has_value());
}

}  // namespace
}  // namespace flarebridge
