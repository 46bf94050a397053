#include "bridge/uploader/login.h"

#include <csignal>
#include <iostream>
#include <memory>

#include "bridge/commands/complain.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "bridge/process/secrets.h"
#include "bridge/uploader/secret_input.h"
#include "events/printable.h"
#include "receivers/wandb/upload/account.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/login.h"
#include "receivers/wandb/upload/uploads.h"
#include "receivers/wandb/upload/words.h"

namespace flarebridge {
namespace {

int Complain(const Error& error) {
  const bool config = error.code == ErrorCode::kConfig || error.code == ErrorCode::kForbidden;
  return Complain(Printable(error.message), config ? kExitConfig : kExitTempFail);
}

void Warn(const std::string& words) {
  std::cerr << "flarebridge: warning: " << Printable(words) << "\n";
}

// Whose key it is, in words. Errors: kForbidden (the server does not accept it), kIo (no answer).
Expected<std::string> AskWhose(const wandb::Account& account) {
  const Expected<std::unique_ptr<HttpTransport>> http = wandb::ConnectTo(account);
  if (!http) return Propagate(http);
  wandb::Api::Viewer viewer;
  const wandb::Attempt attempt = wandb::Api(**http, account).WhoAmI(viewer);
  if (attempt.outcome != Outcome::kSuccess) {
    return Fail(attempt.outcome == Outcome::kRefused ? ErrorCode::kForbidden : ErrorCode::kIo,
                account.base_url + ": " + attempt.words);
  }
  const bool has_team = !viewer.entity.empty() && viewer.entity != viewer.username;
  return Printable(viewer.username + (has_team ? " (" + viewer.entity + ")" : ""));
}

// What is configured already, with nothing written.
int Check() {
  const Expected<wandb::Account> account = wandb::FindAccount(FromEnvironment);
  if (!account) return Complain(account.error());
  for (const std::string& words : account->warnings) Warn(words);
  const Expected<std::string> whose = AskWhose(*account);
  if (!whose) return Complain(whose.error());
  std::cout << account->base_url << ": " << *whose << ", by the key from " << account->key_source
            << "\n";
  return kExitOk;
}

Expected<wandb::NamedServer> ServerOf(const LoginArguments& arguments) {
  if (arguments.host.empty()) return wandb::FindServer(FromEnvironment);
  Expected<wandb::ServerUrl> address = wandb::ParseServerUrl(arguments.host);
  if (!address) return PropagateFrom("--host", address);
  return wandb::NamedServer{std::move(*address), "--host"};
}

Expected<std::string> KeyOf(const LoginArguments& arguments, const wandb::Account& account) {
  if (!arguments.key.empty() && arguments.key != "-") {
    Warn(
        "a key among the arguments can be seen by other users and stays in the shell's history; "
        "without it, flarebridge login asks for it");
    return std::string(wandb::Trimmed(arguments.key));
  }
  const Expected<std::string> typed =
      AskForSecret("API key of " + account.base_url + " (see " + account.pages + "/authorize): ");
  if (!typed) return Propagate(typed);
  return std::string(wandb::Trimmed(*typed));
}

// What the environment says comes before what is written now.
void WarnOfEnvironment(const wandb::NamedServer& server) {
  if (const auto set = FromEnvironment("WANDB_BASE_URL")) {
    const Expected<wandb::ServerUrl> other = wandb::ParseServerUrl(*set);
    if (!other || other->url != server.address.url)
      Warn("WANDB_BASE_URL is set, names another server, and comes before this login; unset it");
  }
  for (const char* name : {"WANDB_API_KEY", "WANDB_API_KEY_FILE", "WANDB_IDENTITY_TOKEN_FILE"}) {
    if (FromEnvironment(name))
      Warn(std::string(name) + " is set and comes before the key of this login; unset it");
  }
}

int Store(const LoginArguments& arguments, const wandb::NamedServer& server, const std::string& key,
          const std::string& whose) {
  const Expected<std::filesystem::path> file =
      wandb::StoreKey(FromEnvironment, server.address, key);
  if (!file) return Complain(file.error());
  std::cout << (whose.empty() ? "not checked"
                              : "logged in to " + server.address.url + " as " + whose)
            << "; the key is in " << file->string() << "\n";
  if (!arguments.host.empty()) {
    const auto settings = wandb::StoreServer(FromEnvironment, server.address);
    if (!settings) return Complain(settings.error());
    if (!settings->empty())
      std::cout << server.address.url << " is the server from now on (" << settings->string()
                << ")\n";
  }
  WarnOfEnvironment(server);
  return kExitOk;
}

}  // namespace

int Login(const LoginArguments& arguments) {
  KeepSecrets();
  signal(SIGPIPE, SIG_IGN);
  if (arguments.check) return Check();
  const Expected<wandb::NamedServer> server = ServerOf(arguments);
  if (!server) return Complain(server.error());
  Expected<wandb::Account> account = wandb::FindAccountWithoutKey(FromEnvironment, *server);
  if (!account) return Complain(account.error());
  for (const std::string& words : account->warnings) Warn(words);
  Expected<std::string> key = KeyOf(arguments, *account);
  if (!key) return Complain(key.error().message, kExitNoInput);
  if (const auto wrong = wandb::WhatIsWrongWith(*key)) return Complain(*wrong, kExitConfig);
  account->key = *key;
  account->key_source = "this login";
  if (arguments.no_verify) return Store(arguments, *server, *key, "");
  const Expected<std::string> whose = AskWhose(*account);
  if (!whose) {
    const Error& error = whose.error();
    const bool unknown = error.code == ErrorCode::kIo;
    return Complain({error.code, error.message + "; nothing was stored" +
                                     (unknown ? ". --no-verify stores the key unchecked" : "")});
  }
  return Store(arguments, *server, *key, *whose);
}

}  // namespace flarebridge
