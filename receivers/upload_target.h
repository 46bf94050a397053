// What a receiver wrote and an upload follows: of a kind that names the server's system, at a path.
// Made by receivers, carried by the worker's frames and the bridge's queue of uploads. A value.
#pragma once

#include <string>

namespace flarebridge {

struct UploadTarget {
  std::string kind;  // "wandb", ...: a row of the table of kinds
  std::string path;  // absolute
};

}  // namespace flarebridge
