// W&B's requests about artifacts (api.h has the others). An artifact is created, gets a manifest,
// is asked where its files go, and is committed. Facts: operations and members as wandb 0.31.0's
// own client sends them. One request each, no retries. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "receivers/wandb/artifacts/artifact_record.h"
#include "receivers/wandb/upload/api.h"

namespace flarebridge::wandb {

class ArtifactApi {
 public:
  explicit ArtifactApi(Api& api) : api_(api) {}

  struct Created {
    std::string id;
    bool committed = false;  // the server has one of the same content, or this one already
    std::string latest_id;   // the newest version of the name; empty: there is none
  };
  // The same client id and digest give the same artifact. Moves the aliases of one that is there.
  Attempt Create(const RunAddress& run, const ArtifactRecord& artifact, Created& created);

  struct Manifest {
    std::string id;
    Api::Upload upload;  // where it is put; if its digest was given
  };
  // `base_id`: the artifact that it is a change of, or empty. `digest`: base64; empty: it comes
  // later.
  Attempt CreateManifest(const RunAddress& run, const ArtifactRecord& artifact,
                         const std::string& artifact_id, const std::string& base_id,
                         const std::string& digest, Manifest& manifest);
  // The same of one that is there, of an incremental or distributed artifact.
  Attempt UpdateManifest(const std::string& manifest_id, const std::string& base_id,
                         const std::string& digest, Manifest& manifest);

  struct Asked {
    std::string path, digest;
    std::vector<std::string> parts;  // hex MD5 of each; none: it goes in one piece
  };
  struct Place {
    std::string artifact_id;  // with which the content came first
    std::string url;          // empty: the server has it
    std::vector<std::string> headers;
    std::string storage_path, upload_id;
    std::vector<std::string> part_urls;
  };
  // In the order of `asked`.
  Attempt CreateFiles(const std::string& artifact_id, const std::string& manifest_id,
                      const std::vector<Asked>& asked, std::vector<Place>& places);
  // All parts of a file are there; `etags`: as the storage gave them.
  Attempt CompleteParts(const std::string& artifact_id, const std::string& storage_path,
                        const std::string& upload_id, const std::vector<std::string>& etags);
  Attempt Commit(const std::string& artifact_id);
  Attempt Use(const RunAddress& run, const std::string& artifact_id);
  // The id of an artifact that is known by its client's; empty: the server knows none.
  Attempt IdOfClient(const std::string& client_id, std::string& id);

 private:
  Api& api_;
};

}  // namespace flarebridge::wandb
