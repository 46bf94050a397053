// Workers keep to what they are for: they read the bridge's socket and write below their runs'
// folders. Whoever takes one over by a hostile event gets no network, no other program, no other
// process, no other run and no other file of the user's. In two steps: before a worker opens its
// run, which may have to be found or made, and when it has. Used by the worker, and by `serve`,
// which asks what will hold here. One thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "events/error.h"

namespace flarebridge {

// What holds of a process that has confined itself; each an error that says why, if it does not.
struct Confinement {
  Expected<int> files;   // Landlock, and its version
  Expected<void> calls;  // seccomp

  bool holds() const { return files && calls; }
  // What does not, in words; empty if all does.
  std::string Missing() const;
};

// For the rest of this process: it writes below `folders` only, and reads only these, `read`, the
// load and the time zones of the system (Landlock); it makes the system calls that receivers need,
// and so opens no socket, starts no program and reaches no other process (seccomp); it has few
// descriptors, no children and 4 GiB of memory (rlimits); no process of this user's may look into
// it. What the kernel does not have is left out, and told. Folders that can't be opened are not
// among what it may write to.
Confinement Confine(const std::vector<std::filesystem::path>& folders,
                    const std::vector<std::filesystem::path>& read = {});

// Behind Confine(): from now on no file is reached but below these folders, and, to be read, below
// `read`; and no link is made.
// What is open stays open. Errors: kUnsupported (it reaches what it did before).
Expected<void> ConfineTo(const std::vector<std::filesystem::path>& folders,
                         const std::vector<std::filesystem::path>& read = {});

// What of both steps does not hold for processes that this one starts, as a child finds out; empty
// if all does.
std::string MissingConfinement();

}  // namespace flarebridge
