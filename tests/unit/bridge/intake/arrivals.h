// What shims send, for the tests of the intake's rooms: two sessions' ids, and events in their wire
// form. One thread.
#pragma once

#include <string>
#include <string_view>

#include "events/event_codec.h"

namespace flarebridge::testing {

inline const std::string kSession(32, 'a');
inline const std::string kOther(32, 'b');

inline std::string Encode(const Event& event) {
  std::string bytes;
  EncodeEvent(event, bytes);
  return bytes;
}

// A session's opening; `receivers` is msgpack.
inline std::string Opening(std::string_view receivers = "\x81\xa5wandb\x80",
                           std::string_view side = "server") {
  const Document document = Document::Parse(std::string(receivers)).value();
  return Encode(SessionOpened{1, "job", "run", side, "/tmp", document.root()});
}

// The opening of one of several sessions that share their runs.
inline std::string OpeningOf(uint8_t pid, bool secondary) {
  const Document receivers = Document::Parse("\x81\xa5wandb\x80").value();
  std::string bytes = "\x82\xa3pid";
  bytes.push_back(static_cast<char>(pid));  // up to 127: msgpack's shortest form
  bytes += std::string("\xa9secondary") + (secondary ? "\xc3" : "\xc2");
  const Document writer = Document::Parse(bytes).value();
  return Encode(SessionOpened{1, "job", "run", "server", "/tmp", receivers.root(), writer.root()});
}

// One value of the tag "loss".
inline std::string Metric(std::string_view site, int64_t step) {
  ValueNode node;
  node.kind = ValueKind::kFloat;
  node.number = 0.5;
  Data data;
  data.time = 2;
  data.site = site;
  data.type = DataType::kMetric;
  data.tag = "loss";
  data.value = Value(&node);
  data.step = step;
  return Encode(data);
}

}  // namespace flarebridge::testing
