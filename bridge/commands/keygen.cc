#include "bridge/commands/keygen.h"

#include <CLI/CLI.hpp>
#include <iostream>

#include "bridge/commands/complain.h"
#include "bridge/link/curve_keys.h"
#include "bridge/process/exit_code.h"

namespace flarebridge {

void AddKeyGen(CLI::App& app, KeyGenArguments& to) {
  app.add_subcommand("keygen", "Make a CURVE key pair, for shims that connect over tcp")
      ->add_option("name", to.name, "Files to make: NAME.key and NAME.key_secret")
      ->required();
}

int KeyGen(const KeyGenArguments& arguments) {
  const Expected<CurveKeys> keys = MakeKeyFiles(arguments.name);
  if (!keys) return Complain(keys.error().message, kExitCantCreate);
  std::cout << arguments.name << ".key         public: give it to the other side\n"
            << arguments.name << ".key_secret  secret: stays here\n";
  return kExitOk;
}

}  // namespace flarebridge
