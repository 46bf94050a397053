// The address of a W&B server as people write it, read once: what a login, a settings file or a
// variable says. Rules as wandb/sdk/lib/wbauth/host_url.py and urls.py have them at 0.31.0. Pure;
// any thread.
#pragma once

#include <string>

#include "events/error.h"

namespace flarebridge::wandb {

inline constexpr const char* kDefaultServer = "https://api.wandb.ai";

struct ServerUrl {
  std::string url;          // "https://host:8080/below", without a slash at its end
  std::string machine;      // "host:8080" or "[::1]:8080", as netrc files name it; small letters
  std::string host;         // without the port
  bool clear_text = false;  // http to another machine: the key can be read on the way
};

// Blanks around it do not count, nor does the case of scheme and host. Errors: kConfig; the words
// begin with what is wrong and never repeat a password.
Expected<ServerUrl> ParseServerUrl(const std::string& text);

// Where the same server shows its pages (wandb/util.py: api_to_app_url).
std::string PagesOf(const std::string& url);

// The other name of a W&B server that has two (urls.py: FORGE_HOSTS), as netrc files may name it;
// empty: it has one.
std::string OtherMachineOf(const std::string& machine);

// A part of an address, percent-encoded (RFC 3986): letters, digits and - . _ ~ stay.
std::string Escape(const std::string& part);

}  // namespace flarebridge::wandb
