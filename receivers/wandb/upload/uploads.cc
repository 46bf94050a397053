#include "receivers/wandb/upload/uploads.h"

#include "receivers/upload/curl_client.h"
#include "receivers/wandb/upload/run_upload.h"

namespace flarebridge::wandb {

namespace {

HttpOptions OptionsOf(const Account& account) {
  HttpOptions options;
  options.user_agent = std::string("flarebridge/") + FLAREBRIDGE_VERSION;
  options.ca_file = account.ca_file;
  options.headers = account.headers;
  options.proxy_headers = account.proxy_headers;
  options.http_proxy = account.http_proxy;
  options.https_proxy = account.https_proxy;
  options.timeout = account.timeout;
  return options;
}

}  // namespace

Expected<std::unique_ptr<HttpTransport>> ConnectTo(const Account& account) {
  Expected<std::unique_ptr<CurlClient>> client = CurlClient::Make(OptionsOf(account));
  if (!client) return Propagate(client);
  return std::unique_ptr<HttpTransport>(std::move(*client));
}

Expected<std::unique_ptr<UploadPool>> StartUploads(const Account& account,
                                                   const UploadChoices& choices, size_t threads,
                                                   UploadPool::Callbacks callbacks) {
  UploadPool::Transports transports;
  for (size_t i = 0; i < threads; ++i) {
    Expected<std::unique_ptr<HttpTransport>> client = ConnectTo(account);
    if (!client) return Propagate(client);
    transports.push_back(std::move(*client));
  }
  const auto service = std::make_shared<UploadService>();
  service->account = account;
  service->room = static_cast<int>(threads);
  service->choices = choices;
  service->warn = callbacks.warn;
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
