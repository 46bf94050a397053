#include "bridge/uploader/notice_sender.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include "events/worker_frame.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {
namespace {

// The bridge's end, which reads only when it is asked to.
struct Bench {
  Bench() {
    std::array<int, 2> pair{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    bridge = UniqueFd(pair[0]);
    uploader = UniqueFd(pair[1]);
  }
  std::vector<Notice> Read() {
    std::array<char, 65536> bytes{};
    for (ssize_t got = 1; got > 0;) {
      got = recv(bridge.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got > 0) reader.Feed(std::string(bytes.data(), static_cast<size_t>(got)));
    }
    std::vector<Notice> notices;
    FrameReader::Frame frame{};
    for (Expected<bool> next = reader.Next(frame); next && *next; next = reader.Next(frame)) {
      if (frame.kind == FrameKind::kStop) {
        const StopFrame stop = ParseStop(frame.payload).value();
        stops.push_back(std::string(stop.target.kind) + std::string(stop.target.path) + ": " +
                        std::string(stop.words));
      } else {
        notices.push_back(ParseNotice(frame.payload).value());
      }
    }
    return notices;
  }
  // All that is there, and what the sender has kept.
  std::vector<Notice> ReadAll(NoticeSender& sender) {
    std::vector<Notice> all = Read();
    while (!sender.empty()) {
      sender.Flush();
      for (const Notice& notice : Read()) all.push_back(notice);
    }
    return all;
  }
  UniqueFd bridge, uploader;
  FrameReader reader;
  std::vector<std::string> stops;  // that were read
};

TEST_CASE("a bridge that does not read holds nobody up, and is told how much it has missed") {
  Bench bench;
  NoticeSender sender(bench.uploader.get());
  const std::string text(2000, 'x');
  constexpr size_t kSaid = 5000;  // beyond what a socket and the sender keep
  for (size_t i = 0; i < kSaid; ++i) sender.Say(NoticeLevel::kInfo, std::to_string(i) + text);
  const std::vector<Notice> heard = bench.ReadAll(sender);
  CHECK(heard.size() < kSaid);
  size_t told = 0;
  for (const Notice& notice : heard) told += notice.level == NoticeLevel::kWarning ? 1 : 0;
  REQUIRE(told == 1);
  const size_t dropped = kSaid - (heard.size() - 1);
  bool found = false;
  for (const Notice& notice : heard)
    found = found || notice.text == std::to_string(dropped) +
                                        " messages of the uploader were dropped: nobody read them";
  CHECK(found);
}

TEST_CASE("a state that waits is replaced by the newest, and errors are dropped last") {
  Bench bench;
  NoticeSender sender(bench.uploader.get());
  const std::string text(3000, 'x');
  while (sender.empty()) sender.Say(NoticeLevel::kInfo, text);
  sender.Say(NoticeLevel::kError, "an error");
  for (int i = 0; i < 1000; ++i)
    sender.Say(NoticeLevel::kWarning, "state " + std::to_string(i), "state");
  for (size_t i = 0; i < 2 * NoticeSender::kMost; ++i) sender.Say(NoticeLevel::kInfo, text);
  sender.Say(NoticeLevel::kWarning, "state 1000", "state");
  size_t states = 0, errors = 0;
  for (const Notice& notice : bench.ReadAll(sender)) {
    if (notice.text.starts_with("state")) {
      ++states;
      CHECK(notice.text == "state 1000");
    }
    errors += notice.level == NoticeLevel::kError ? 1 : 0;
  }
  CHECK(states == 1);
  CHECK(errors == 1);
}

TEST_CASE("that a run is to be stopped outlasts notices, and is a message of its own") {
  Bench bench;
  NoticeSender sender(bench.uploader.get());
  const std::string text(3000, 'x');
  while (sender.empty()) sender.Say(NoticeLevel::kInfo, text);
  sender.TellToStop({{"wandb", "/runs/one"}, "asked to stop"});
  for (size_t i = 0; i < 2 * NoticeSender::kMost; ++i) sender.Say(NoticeLevel::kInfo, text);
  bench.ReadAll(sender);
  REQUIRE(bench.stops.size() == 1);
  CHECK(bench.stops[0] == "wandb/runs/one: asked to stop");
}

TEST_CASE("a bridge that is gone is spoken to without harm") {
  Bench bench;
  NoticeSender sender(bench.uploader.get());
  bench.bridge.Close();
  sender.Say(NoticeLevel::kError, "unheard");
  CHECK(sender.empty());
  sender.FlushWithin(std::chrono::seconds(5));
}

}  // namespace
}  // namespace flarebridge
