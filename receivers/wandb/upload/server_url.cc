#include "receivers/wandb/upload/server_url.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "receivers/wandb/upload/words.h"

namespace flarebridge::wandb {
namespace {

// W&B's servers at CoreWeave's addresses: where the pages are, and what answers requests.
struct Forge {
  std::string_view pages, api, wandb;
};
constexpr std::array<Forge, 2> kForges = {
    {{"forge.coreweave.com", "api.forge.coreweave.com", "api.wandb.ai"},
     {"qa.forge.coreweave.com", "api.qa.forge.coreweave.com", "api.qa.wandb.ai"}}};

// The host without its port, of "host:80", "[::1]:80", "host".
std::string_view HostOf(std::string_view machine) {
  if (machine.starts_with('[')) return machine.substr(0, machine.find(']') + 1);
  return machine.substr(0, machine.find(':'));
}

// A host, and a port if there is one.
bool IsMachine(std::string_view machine) {
  const std::string_view host = HostOf(machine);
  const auto is_name = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x7f || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("-._").find(c) != std::string_view::npos;
  };
  const auto is_ipv6 = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
  };
  if (host.starts_with('[')) {
    if (host.size() < 4 || !host.ends_with(']')) return false;
    const std::string_view inner = host.substr(1, host.size() - 2);
    if (!std::all_of(inner.begin(), inner.end(), is_ipv6)) return false;
  } else if (host.empty() || !std::all_of(host.begin(), host.end(), is_name)) {
    return false;
  }
  const std::string_view port = machine.substr(host.size());
  if (port.empty()) return true;
  uint16_t number = 0;
  const auto [end, failed] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
  return port[0] == ':' && failed == std::errc() && end == port.data() + port.size() && number > 0;
}

bool IsThisMachine(std::string_view machine) {
  const std::string_view host = HostOf(machine);
  return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") ||
         host == "[::1]";
}

// What W&B's own addresses need besides. Errors: kConfig.
Expected<void> CheckForWandb(const ServerUrl& server, bool secure) {
  const std::string_view host = HostOf(server.machine);
  if (host != "wandb.ai" && !host.ends_with(".wandb.ai")) return {};
  if (server.url.find("api.") == std::string::npos) {
    return Fail(ErrorCode::kConfig, "the address " + server.url +
                                        " shows W&B's pages; requests go to " + kDefaultServer);
  }
  if (!secure) {
    return Fail(ErrorCode::kConfig,
                "W&B's server is reached by https:// only; use " + std::string(kDefaultServer));
  }
  return {};
}

// CoreWeave's pages pass W&B's requests on below /api/wandb; the server itself is beside them.
Expected<void> TurnToForge(ServerUrl& server, bool secure, const std::string& path) {
  for (const Forge& forge : kForges) {
    if (HostOf(server.machine) != forge.pages) continue;
    const std::string api = "https://" + std::string(forge.api);
    if (!secure || server.machine != forge.pages || path != "/api/wandb") {
      return Fail(ErrorCode::kConfig,
                  "the address " + server.url + " is no server's; requests go to " + api);
    }
    server = {api, std::string(forge.api), std::string(forge.api), false};
    return {};
  }
  return {};
}

}  // namespace

Expected<ServerUrl> ParseServerUrl(const std::string& text) {
  std::string url(Trimmed(text));
  while (url.ends_with('/')) url.pop_back();
  const size_t colon = url.find("://");
  const std::string scheme = colon == std::string::npos ? "" : InSmall(url.substr(0, colon));
  // Not repeated: it may hold a password.
  const bool has_user = url.find('@') != std::string::npos;
  if (scheme != "https" && scheme != "http") {
    return Fail(ErrorCode::kConfig,
                "a server's address begins with https:// or http://" +
                    (has_user || url.empty() ? std::string() : ", \"" + url + "\" does not"));
  }
  const size_t begin = colon + 3;
  const size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::string path = url.substr(end);
  std::string machine = InSmall(url.substr(begin, end - begin));
  if (machine.find('@') != std::string::npos) {
    return Fail(ErrorCode::kConfig,
                "the server's address holds a user name: W&B's servers take an API key and nothing "
                "besides. Leave out what is before the @, and give the key by WANDB_API_KEY or "
                "`flarebridge login`");
  }
  if (!IsMachine(machine) || path.find_first_of("?# \t\r\n") != std::string::npos) {
    return Fail(ErrorCode::kConfig, "\"" + url + "\" is no address of a server; it looks like " +
                                        "https://wandb.example.com or http://localhost:8080");
  }
  const bool secure = scheme == "https";
  ServerUrl server{scheme + "://" + machine + path, machine, std::string(HostOf(machine)),
                   !secure && !IsThisMachine(machine)};
  if (Expected<void> fits = CheckForWandb(server, secure); !fits) return Propagate(fits);
  if (Expected<void> turned = TurnToForge(server, secure, path); !turned) return Propagate(turned);
  return server;
}

std::string PagesOf(const std::string& url) {
  const size_t begin = std::min(url.find("://"), url.size() - 3) + 3;
  for (const Forge& forge : kForges) {
    if (url == "https://" + std::string(forge.api))
      return "https://" + std::string(forge.pages) + "/wandb";
  }
  if (url.compare(begin, 10, "api.wandb.") == 0)
    return url.substr(0, begin) + url.substr(begin + 4);
  if (url.compare(begin, 4, "api.") == 0)
    return url.substr(0, begin) + "app." + url.substr(begin + 4);
  return url;
}

std::string OtherMachineOf(const std::string& machine) {
  for (const Forge& forge : kForges) {
    if (machine == forge.wandb) return std::string(forge.api);
    if (machine == forge.api) return std::string(forge.wandb);
  }
  return "";
}

std::string Escape(const std::string& part) {
  constexpr std::string_view kPlain = "-._~";
  constexpr const char* kDigits = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : part) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || kPlain.find(c) != std::string_view::npos) {
      escaped.push_back(c);
    } else {
      const auto byte = static_cast<unsigned char>(c);
      escaped += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return escaped;
}

}  // namespace flarebridge::wandb
