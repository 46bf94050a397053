// Writes an artifact into a run log: its record names the files of which it is made, and where on
// this machine their contents lie, from where W&B's own `wandb sync` uploads them, too. Field
// numbers are in record_fields.h. Used by the W&B receiver. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flarebridge::wandb {

// A new version of an artifact.
struct WrittenArtifact {
  struct File {
    std::string path;        // in the artifact
    std::string digest;      // its MD5 in base64
    std::string local_path;  // absolute
    uint64_t size = 0;
  };
  std::string run_id, project, entity;
  std::string type, name;
  std::string digest;                         // of its manifest, in hex
  std::string client_id, sequence_client_id;  // by which rows refer to it before it has others
  std::vector<File> files;                    // sorted by path
};

// Appends a whole Record with its number.
void AppendArtifact(int64_t number, const WrittenArtifact& artifact, std::string& out);

}  // namespace flarebridge::wandb
