// W&B as a kind of upload: a pool of run uploads to the server that the environment names. Used by
// the program that uploads, for its queue and for `sync`. Any thread.
#pragma once

#include <memory>

#include "events/error.h"
#include "receivers/upload/http_transport.h"
#include "receivers/upload/upload_pool.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/upload_choices.h"

namespace flarebridge::wandb {

// HTTP to the account's server, by its proxies and authorities. Errors: kIo (libcurl can't be set
// up).
Expected<std::unique_ptr<HttpTransport>> ConnectTo(const Account& account);

// `threads`: requests at once. Errors: kIo (libcurl can't be set up).
Expected<std::unique_ptr<UploadPool>> StartUploads(const Account& account,
                                                   const UploadChoices& choices, size_t threads,
                                                   UploadPool::Callbacks callbacks);

}  // namespace flarebridge::wandb
