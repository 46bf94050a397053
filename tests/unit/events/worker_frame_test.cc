#include "events/worker_frame.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

RunSpec ExampleSpec() {
  RunSpec spec;
  spec.journal = "0123";
  spec.job = "job";
  spec.site = "site-1";
  spec.run_name = "hello";
  spec.side = "server";
  spec.folder = "/tmp";
  spec.started = 12.5;
  spec.receivers = Document::Parse("\x81\xa5wandb\x80").value();
  return spec;
}

TEST_CASE("a stream of frames reads the same however it is cut") {
  std::string stream;
  AppendOpen(ExampleSpec(), stream);
  AppendEvents({7, 2, "xy"}, stream);
  AppendPosition(FrameKind::kDurable, 1ull << 40, stream);
  AppendNotice({NoticeLevel::kError, "no space"}, stream);
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    FrameReader reader;
    size_t frames = 0;
    for (size_t at = 0; at < stream.size(); at += piece) {
      reader.Feed(std::string_view(stream).substr(at, piece));
      FrameReader::Frame frame{};
      while (reader.Next(frame).value()) {
        ++frames;
        switch (frame.kind) {
          case FrameKind::kOpen: {
            const RunSpec spec = ParseOpen(frame.payload).value();
            CHECK(spec.site == "site-1");
            CHECK(spec.started == 12.5);
            CHECK(spec.receivers.root().Find("wandb").has_value());
            break;
          }
          case FrameKind::kEvents: {
            const EventsFrame events = ParseEvents(frame.payload).value();
            CHECK(events.first_position == 7);
            CHECK(events.count == 2);
            CHECK(events.body == "xy");
            break;
          }
          case FrameKind::kDurable:
            CHECK(ParsePosition(frame.payload).value() == 1ull << 40);
            break;
          case FrameKind::kNotice:
            CHECK(ParseNotice(frame.payload).value().text == "no space");
            break;
          default:
            FAIL("a kind that was not sent");
        }
      }
    }
    CHECK(frames == 4);
  }
}

TEST_CASE("a frame without content, too large or of an unknown kind ends the stream") {
  for (const std::string& bad :
       {std::string("\0\0\0\0", 4), std::string("\xff\xff\xff\xff\x01", 5),
        std::string("\x01\0\0\0\x09", 5), std::string("\x01\0\0\0\0", 5)}) {
    FrameReader reader;
    reader.Feed(bad);
    FrameReader::Frame frame{};
    CHECK_FALSE(reader.Next(frame).has_value());
  }
}

TEST_CASE("payloads that are cut short are errors") {
  CHECK_FALSE(ParseEvents("1234567").has_value());
  CHECK_FALSE(ParsePosition("1234567").has_value());
  CHECK_FALSE(ParseNotice("").has_value());
  CHECK_FALSE(ParseOpen("").has_value());
  CHECK_FALSE(ParseOpen("\x91\xa1x").has_value());
}

}  // namespace
}  // namespace flarebridge
