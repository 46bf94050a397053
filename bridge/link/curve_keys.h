// CURVE key pairs on disk, for shims that reach a shared bridge over tcp. The files are those of
// pyzmq and CZMQ (zcert: ZPL text, http://czmq.zeromq.org/manual:zcert), so that their tools can
// make and read them, too. Any thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "events/error.h"

namespace flarebridge {

// Keys in Z85, 40 characters each (https://rfc.zeromq.org/spec/32/).
struct CurveKeys {
  std::string public_key;
  std::string secret_key;  // empty in a public file
};

// Makes `<path>.key` (public, mode 0644) and `<path>.key_secret` (both keys, mode 0600). Errors:
// kIo, also if one of them is there.
Expected<CurveKeys> MakeKeyFiles(const std::filesystem::path& path);

// Reads either file. `credentials`: the folder in which a service manager has put what it keeps
// for this service alone (systemd's $CREDENTIALS_DIRECTORY), or nothing: a secret below it may show
// rights of its group. Errors: kConfig (no such keys; a secret that others may read), kIo.
Expected<CurveKeys> ReadKeyFile(const std::filesystem::path& path,
                                const std::filesystem::path& credentials = {});

// Who may connect: the public keys in a folder's `*.key` files, with the files' names (without
// ".key") as the clients' names. Errors: kConfig (none there, a name that is none, one key twice),
// kIo.
Expected<std::map<std::string, std::string>> ReadAllowList(const std::filesystem::path& folder);

}  // namespace flarebridge
