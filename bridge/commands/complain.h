// How a command says why it can't do what it was told: one line on standard error. Used by
// commands. Any thread.
#pragma once

#include <iostream>
#include <string>

namespace flarebridge {

// Gives the exit status back, so that a command can end with it.
inline int Complain(const std::string& message, int exit_code) {
  std::cerr << "flarebridge: " << message << '\n';
  return exit_code;
}

}  // namespace flarebridge
