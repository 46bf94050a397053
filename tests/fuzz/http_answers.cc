// What a server answers, as bytes on the wire: the first byte tells what is asked for, and whether
// the rest is the whole answer or the body of a good one.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "receivers/upload/curl_client.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/run_claim.h"

namespace {

using namespace flarebridge::wandb;

// Answers each connection with the same bytes, whatever it asks.
class Server {
 public:
  Server() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 16) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      abort();
    port_ = ntohs(address.sin_port);
    signal(SIGPIPE, SIG_IGN);
    std::thread([this] { Serve(); }).detach();
  }
  void Answer(std::string bytes) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(bytes);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  void Serve() {
    while (true) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) continue;
      char request[65536];
      (void)!read(client, request, sizeof request);
      {
        const std::lock_guard lock(mutex_);
        (void)!write(client, answer_.data(), answer_.size());
      }
      shutdown(client, SHUT_WR);
      while (read(client, request, sizeof request) > 0) {
      }
      close(client);
    }
  }

  int listener_;
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::string answer_;
};

void Ask(uint8_t what, Api& api) {
  RunAddress address{"entity", "project", "run"};
  uint64_t rows = 0;
  std::vector<Api::Upload> uploads;
  RunRecord run;
  run.run_id = "run";
  RunThere there;
  RunClaim claim;
  bool is = false;
  switch (what % 8) {
    case 0:
      (void)api.UpsertRun(run, {}, address, is);
      break;
    case 1:
      (void)api.CountRows(address, rows);
      break;
    case 2:
      (void)api.CreateFiles(address, {"a.txt", "b.txt"}, uploads);
      break;
    case 3:
      (void)api.Stream(address, {}, is);
      break;
    case 4:
      (void)api.Look(run, there);
      (void)claim.Decide(there, {{}, 1e9, [](uint64_t) { return std::string(); }}, {});
      (void)claim.Decide(there, {{}, 1e9, [](uint64_t) { return std::string(); }},
                         RunClaim::Time(std::chrono::hours(1)));
      break;
    case 5:
      (void)api.AskFeatures(is);
      break;
    case 6:
      (void)api.Send(address, Alert());
      break;
    default:
      (void)api.Put({"a.txt", "", {}}, "content");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Server server;
  static const std::unique_ptr<flarebridge::CurlClient> http = [] {
    flarebridge::HttpOptions options;
    options.timeout = 2;
    return std::move(*flarebridge::CurlClient::Make(options));
  }();
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool whole = (data[0] & 0x80) != 0;
  server.Answer(whole ? bytes
                      : "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " +
                            std::to_string(bytes.size()) + "\r\n\r\n" + bytes);
  Account account;
  account.base_url = server.url();
  account.key = "made-up";
  Api api(*http, account);
  Ask(data[0] & 0x7f, api);
  return 0;
}
