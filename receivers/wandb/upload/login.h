// Writes a key and a server's address to where W&B's client looks for them, as its `wandb login`
// does (wandb/sdk/wandb_login.py, lib/wbauth/wbnetrc.py at 0.31.0). Used by `flarebridge login`;
// any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "events/error.h"
#include "receivers/wandb/upload/server_url.h"
#include "receivers/wandb/upload/variables.h"

namespace flarebridge::wandb {

// Why W&B's client would not take this key, or nothing (wbauth/validation.py). The words do not
// repeat it.
std::optional<std::string> WhatIsWrongWith(const std::string& key);

// Puts the key into the netrc file, under the server's machine; nobody but its owner may read the
// file behind that. A link is followed. Gives the file. Errors: kConfig (no home), kIo, kTemporary.
Expected<std::filesystem::path> StoreKey(const Environment& environment, const ServerUrl& server,
                                         const std::string& key);

// Makes the server the one that is meant where nothing else is said: in the user's settings file,
// and no more in the one of the current folder. W&B's own server is meant if no file names one.
// Gives the file that names it now, or an empty path. Errors: as above, and kConfig (a file that
// makes no sense).
Expected<std::filesystem::path> StoreServer(const Environment& environment,
                                            const ServerUrl& server);

}  // namespace flarebridge::wandb
