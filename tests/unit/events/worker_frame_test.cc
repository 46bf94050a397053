#include "events/worker_frame.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

OpenFrame ExampleOpen() {
  OpenFrame open;
  RunSpec& spec = open.run;
  spec.journal = "0123";
  spec.job = "job";
  spec.site = "site-1";
  spec.run_name = "hello";
  spec.side = "server";
  spec.folder = "/tmp";
  spec.started = 12.5;
  spec.receivers = Document::Parse("\x81\xa5wandb\x80").value();
  open.receivers = {{"wandb", 1ull << 40}, {"jsonl", 3}};
  return open;
}

TEST_CASE("a stream of frames reads the same however it is cut") {
  std::string stream;
  AppendOpen(ExampleOpen(), stream);
  AppendEvents({7, 2, "xy"}, stream);
  AppendStatus(FrameKind::kDurable,
               {{"wandb", 1ull << 40},
                {"jsonl", 3, ReceiverCondition::kFailed, "no space"},
                {"none", 0, ReceiverCondition::kRefuses, "not known"}},
               stream);
  AppendUpload({"wandb", "/runs/run-1.wandb"}, stream);
  AppendNotice({NoticeLevel::kError, "no space"}, stream);
  AppendOpening(stream);
  AppendStop({{"wandb", "/runs/run-1.wandb"}, "asked to stop"}, stream);
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
            const OpenFrame open = ParseOpen(frame.payload).value();
            const RunSpec& spec = open.run;
            REQUIRE(open.receivers.size() == 2);
            CHECK(open.receivers[0].name == "wandb");
            CHECK(open.receivers[0].durable == 1ull << 40);
            CHECK(open.receivers[1].durable == 3);
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
          case FrameKind::kDurable: {
            const auto receivers = ParseStatus(frame.payload).value();
            REQUIRE(receivers.size() == 3);
            CHECK(receivers[0].durable == 1ull << 40);
            CHECK(receivers[0].condition == ReceiverCondition::kLives);
            CHECK(receivers[1].name == "jsonl");
            CHECK(receivers[1].condition == ReceiverCondition::kFailed);
            CHECK(receivers[1].why == "no space");
            CHECK(receivers[2].condition == ReceiverCondition::kRefuses);
            break;
          }
          case FrameKind::kUpload:
            CHECK(ParseUpload(frame.payload).value().kind == "wandb");
            CHECK(ParseUpload(frame.payload).value().path == "/runs/run-1.wandb");
            break;
          case FrameKind::kOpening:
            CHECK(frame.payload.empty());
            break;
          case FrameKind::kStop: {
            const StopFrame stop = ParseStop(frame.payload).value();
            CHECK(stop.target.kind == "wandb");
            CHECK(stop.target.path == "/runs/run-1.wandb");
            CHECK(stop.words == "asked to stop");
            break;
          }
          case FrameKind::kNotice:
            CHECK(ParseNotice(frame.payload).value().text == "no space");
            break;
          default:
            FAIL("a kind that was not sent");
        }
      }
    }
    CHECK(frames == 7);
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
  CHECK_FALSE(ParseStatus("1234567").has_value());
  CHECK_FALSE(ParseStatus("\x91\x91\xa1x").has_value());
  CHECK_FALSE(ParseStatus(std::string_view("\x91\x94\xa1x\x01\0\xa0", 7)).has_value());
  CHECK_FALSE(ParseUpload("wandb").has_value());
  CHECK_FALSE(ParseUpload("/path").has_value());
  CHECK_FALSE(ParseStop("wandb/path").has_value());
  CHECK_FALSE(ParseStop("wandb\nwords").has_value());
  CHECK_FALSE(ParseStop("wandb/path\n\xff").has_value());
  CHECK_FALSE(ParseNotice("").has_value());
  CHECK_FALSE(ParseOpen("").has_value());
  CHECK_FALSE(ParseOpen("\x91\xa1x").has_value());
}

}  // namespace
}  // namespace flarebridge
