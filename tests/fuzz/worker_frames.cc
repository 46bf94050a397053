// A stream of frames, fed in pieces whose size the first byte tells.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "events/event_codec.h"
#include "events/worker_frame.h"

namespace {

void Parse(const flarebridge::FrameReader::Frame& frame) {
  using flarebridge::FrameKind;
  switch (frame.kind) {
    case FrameKind::kOpen:
      (void)flarebridge::ParseOpen(frame.payload);
      break;
    case FrameKind::kEvents:
      (void)flarebridge::ParseEvents(frame.payload);
      break;
    case FrameKind::kReady:
    case FrameKind::kDurable:
      (void)flarebridge::ParseStatus(frame.payload);
      break;
    case FrameKind::kNotice:
      (void)flarebridge::ParseNotice(frame.payload);
      break;
    case FrameKind::kUpload:
      (void)flarebridge::ParseUpload(frame.payload);
      break;
    case FrameKind::kOpening:
      break;
    case FrameKind::kStop:
      (void)flarebridge::ParseStop(frame.payload);
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t piece = std::max<size_t>(1, data[0]);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  flarebridge::FrameReader reader;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    reader.Feed(bytes.substr(at, piece));
    flarebridge::FrameReader::Frame frame{};
    while (true) {
      const auto next = reader.Next(frame);
      if (!next) return 0;
      if (!*next) break;
      Parse(frame);
    }
  }
  return 0;
}
