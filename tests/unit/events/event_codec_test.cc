#include "events/event_codec.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>

#include "events/names.h"
#include "events/worker_frame.h"
#include "tests/unit/events/vectors.h"

namespace flarebridge {
namespace {

using nlohmann::json;
using testing::FromHex;
using testing::LoadVectors;
using testing::ToHex;

// A decoded value as the JSON that the vectors write it as.
json ToJson(const Value& value) {
  switch (value.kind()) {
    case ValueKind::kNull:
      return nullptr;
    case ValueKind::kBool:
      return *value.AsBool();
    case ValueKind::kInt:
      return *value.AsInt64();
    case ValueKind::kUint:
      return *value.AsUint64();
    case ValueKind::kText:
      return std::string(*value.AsText());
    case ValueKind::kFloat: {
      const double number = *value.AsDouble();
      if (std::isnan(number)) return {{"$float", "nan"}};
      if (std::isinf(number)) return {{"$float", number > 0 ? "inf" : "-inf"}};
      return number;
    }
    case ValueKind::kBinary:
      return {{"$binary", ToHex(value.node().text)}};
    case ValueKind::kList: {
      json list = json::array();
      value.ForEachItem([&](Value item) { list.push_back(ToJson(item)); });
      return list;
    }
    case ValueKind::kMap:
      break;
  }
  json map = json::object();
  value.ForEachPair(
      [&](std::string_view key, Value item) { map[std::string(key)] = ToJson(item); });
  return map;
}

struct Describe {
  json operator()(const SessionOpened& e) const {
    json event = {{"kind", "session_opened"},        {"time", e.time}, {"job", e.job},
                  {"run_name", e.run_name},          {"side", e.side}, {"folder", e.folder},
                  {"receivers", ToJson(e.receivers)}};
    if (!e.writer.IsNull()) event["writer"] = ToJson(e.writer);
    return event;
  }
  json operator()(const RunStarted& e) const {
    return {{"kind", "run_started"}, {"time", e.time}, {"site", e.site}};
  }
  json operator()(const Data& e) const {
    return {{"kind", "data"},
            {"time", e.time},
            {"site", e.site},
            {"type", static_cast<int>(e.type)},
            {"writer", static_cast<int>(e.writer)},
            {"tag", e.tag},
            {"value", ToJson(e.value)},
            {"step", e.step ? json(*e.step) : json(nullptr)},
            {"path", e.path.empty() ? json(nullptr) : json(e.path)},
            {"receivers", ToJson(e.receivers)},
            {"extra", ToJson(e.extra)}};
  }
  json operator()(const RunEnded& e) const {
    return {{"kind", "run_ended"},
            {"time", e.time},
            {"site", e.site},
            {"exit_code", e.exit_code},
            {"reason", e.reason}};
  }
  json operator()(const SessionEnded& e) const {
    return {{"kind", "session_ended"},
            {"time", e.time},
            {"exit_code", e.exit_code},
            {"reason", e.reason}};
  }
};

TEST_CASE("every shared example decodes to its fields and encodes to its bytes") {
  const json vectors = LoadVectors("events.json");
  REQUIRE(vectors["accept"].size() >= 18);
  EventDecoder decoder;
  for (const json& vector : vectors["accept"]) {
    CAPTURE(vector["name"].get<std::string>());
    const std::string bytes = FromHex(vector["hex"]);
    const std::string followed = bytes + "behind";
    const DecodedEvent decoded = decoder.Decode(followed);
    REQUIRE(decoded.event.has_value());
    CHECK(decoded.size == bytes.size());
    CHECK(std::visit(Describe(), *decoded.event) == vector["event"]);
    std::string encoded;
    EncodeEvent(*decoded.event, encoded);
    CHECK(ToHex(encoded) == vector["hex"].get<std::string>());
  }
}

TEST_CASE("every bad example is rejected with its code, and stepped over where its end is known") {
  const std::map<std::string, ErrorCode> codes = {{"malformed", ErrorCode::kMalformed},
                                                  {"too_large", ErrorCode::kTooLarge},
                                                  {"unsupported", ErrorCode::kUnsupported},
                                                  {"invalid_name", ErrorCode::kInvalidName}};
  const json vectors = LoadVectors("events.json");
  REQUIRE(vectors["reject"].size() >= 20);
  EventDecoder decoder;
  for (const json& vector : vectors["reject"]) {
    CAPTURE(vector["name"].get<std::string>());
    const std::string bytes = FromHex(vector["hex"]);
    const DecodedEvent decoded = decoder.Decode(bytes);
    REQUIRE_FALSE(decoded.event.has_value());
    CHECK(decoded.event.error().code == codes.at(vector["code"]));
    CHECK(decoded.size == vector["size"].get<size_t>());
    CHECK_FALSE(decoded.event.error().message.empty());
  }
}

TEST_CASE("an event of 1 MiB passes, one of a byte more does not") {
  const auto event_of = [](size_t size) {
    std::string bytes;
    std::string text;
    do {
      bytes.clear();
      ValueNode node;
      node.kind = ValueKind::kText;
      node.text = text;
      Data data;
      data.time = 1;
      data.site = "s";
      data.tag = "t";
      data.value = Value(&node);
      EncodeEvent(data, bytes);
      text.resize(text.size() + size - bytes.size());
    } while (bytes.size() != size);
    return bytes;
  };
  EventDecoder decoder;
  const std::string fits = event_of(kMaxEventBytes);
  CHECK(decoder.Decode(fits).event.has_value());
  const std::string over = event_of(kMaxEventBytes + 1);
  const DecodedEvent rejected = decoder.Decode(over + fits);
  REQUIRE_FALSE(rejected.event.has_value());
  CHECK(rejected.event.error().code == ErrorCode::kTooLarge);
  CHECK(rejected.size == over.size());
}

TEST_CASE("receivers' arguments that a worker could not be told are rejected") {
  const auto opening_of = [](uint32_t values) {
    std::string list;
    EncodeListHeader(values, list);
    list.append(values, '\xc0');
    const Document receivers = Document::Parse("\x81\xa5wandb\x81\xa1v" + list).value();
    std::string bytes;
    EncodeEvent(SessionOpened{1, "job", "run", "server", "/tmp", receivers.root()}, bytes);
    return bytes;
  };
  EventDecoder decoder;
  const std::string large = opening_of(64000);
  const DecodedEvent opened = decoder.Decode(large);
  REQUIRE(opened.event.has_value());
  RunSpec spec;
  spec.journal = spec.job = spec.site = spec.run_name = "name";
  spec.folder = "/tmp";
  spec.receivers = Document::Copy(std::get<SessionOpened>(*opened.event).receivers);
  std::string frame;
  AppendOpen({spec, std::vector<OpenFrame::Receiver>(64, {"name", 1})}, frame);
  CHECK(ParseOpen(std::string_view(frame).substr(5)).has_value());
  for (const uint32_t values : {65000U, 65520U, 65527U}) {
    const std::string over = opening_of(values);
    const DecodedEvent rejected = decoder.Decode(over);
    REQUIRE_FALSE(rejected.event.has_value());
    CHECK(rejected.event.error().code == ErrorCode::kTooLarge);
    CHECK(rejected.size == over.size());
  }
}

TEST_CASE("a session has 64 receivers at most") {
  for (const unsigned count : {64U, 65U}) {
    std::string receivers = {'\xde', 0, static_cast<char>(count)};  // map 16
    for (unsigned i = 0; i < count; ++i) receivers += "\xa2" + std::to_string(10 + i) + "\x80";
    std::string bytes;
    const Document document = Document::Parse(receivers).value();
    EncodeEvent(SessionOpened{1, "job", "run", "server", "/tmp", document.root()}, bytes);
    EventDecoder decoder;
    CHECK(decoder.Decode(bytes).event.has_value() == (count == 64));
  }
}

TEST_CASE("no change of bytes makes the decoder crash or read outside") {
  const json vectors = LoadVectors("events.json");
  std::mt19937 random(20261121);  // fixed, so that a failure repeats
  EventDecoder decoder;
  size_t decoded_events = 0;
  for (const json& vector : vectors["accept"]) {
    const std::string original = FromHex(vector["hex"]);
    for (int round = 0; round < 2000; ++round) {
      std::string bytes = original;
      for (unsigned i = 0; i <= random() % 4; ++i)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      bytes.resize(bytes.size() - random() % 3);
      const DecodedEvent decoded = decoder.Decode(bytes);
      CHECK(decoded.size <= bytes.size());
      if (!decoded.event) continue;
      ++decoded_events;
      std::string encoded;
      EncodeEvent(*decoded.event, encoded);
      EventDecoder again;
      CHECK(again.Decode(encoded).event.has_value());
    }
  }
  CHECK(decoded_events > 0);
}

TEST_CASE("names may hold spaces, unicode and dots, but no control characters") {
  CHECK(SiteName::Parse("Klinik Köln ☕ ../..").has_value());
  CHECK(SiteName::Parse(std::string(255, 'x')).has_value());
  for (const std::string& bad :
       {std::string(), std::string(256, 'x'), std::string("a\x7f"), std::string("a\0b", 3),
        std::string("\xff"), std::string("\xed\xa0\x80")}) {
    CHECK_FALSE(SiteName::Parse(bad).has_value());
  }
}

}  // namespace
}  // namespace flarebridge
