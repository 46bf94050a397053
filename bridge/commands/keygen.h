// `flarebridge keygen`: a pair of keys for links over tcp. Used by the command line.
#pragma once

#include <CLI/App.hpp>
#include <string>

namespace flarebridge {

struct KeyGenArguments {
  std::string name;  // of the files, without their endings
};

// Declares the command and its options.
void AddKeyGen(CLI::App& app, KeyGenArguments& to);
// Gives the exit status.
int KeyGen(const KeyGenArguments& arguments);

}  // namespace flarebridge
