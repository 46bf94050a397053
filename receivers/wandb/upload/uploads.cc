#include "receivers/wandb/upload/uploads.h"

#include "receivers/upload/curl_client.h"
#include "receivers/wandb/upload/run_upload.h"

namespace flarebridge::wandb {

Expected<std::unique_ptr<UploadPool>> StartUploads(const Account& account,
                                                   const UploadChoices& choices, size_t threads,
                                                   UploadPool::Callbacks callbacks) {
  HttpOptions options;
  options.user_agent = std::string("flarebridge/") + FLAREBRIDGE_VERSION;
  options.ca_file = account.ca_file;
  options.http_proxy = account.http_proxy;
  options.https_proxy = account.https_proxy;
  options.timeout = account.timeout;
  UploadPool::Transports transports;
  for (size_t i = 0; i < threads; ++i) {
    Expected<std::unique_ptr<CurlClient>> client = CurlClient::Make(options);
    if (!client) return Propagate(client);
    transports.push_back(std::move(*client));
  }
  const auto service = std::make_shared<UploadService>();
  service->account = account;
  service->room = static_cast<int>(threads);
  service->entity = choices.entity;
  service->project = choices.project;
  service->include_online = choices.include_online;
  service->follow_links = choices.follow_links;
  for (const std::filesystem::path& log : choices.known) service->known.Add(log);
  for (const std::filesystem::path& log : choices.to_upload) service->known.Begin(log);
  const UploadPool::Open open = [service](const std::filesystem::path& log,
                                          const UploadOptions& upload) {
    return std::make_unique<RunUpload>(*service, log, upload);
  };
  auto pool = std::make_unique<UploadPool>(std::move(transports), open,
                                           UploadPool::WindowFor(threads), std::move(callbacks));
  if (choices.written_here) pool->WatchFiles();
  return pool;
}

}  // namespace flarebridge::wandb
