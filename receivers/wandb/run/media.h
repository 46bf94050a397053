// Media as W&B keeps them: files of the run, and an object that names them, or a list of such
// objects in the form of their type. The forms are those of W&B's SDK (wandb/sdk/data_types/ at
// 0.31.0, with its own runs beside it). Used by media_effect.cc; one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/blob_ref.h"
#include "events/value.h"
#include "receivers/blob_folder.h"

namespace flarebridge::wandb {

struct Media {
  struct File {
    std::string path;  // below files/
    std::string content;
    std::optional<BlobRef> blob = {};  // its content is there
  };
  // A leaf of the object: the keys that lead to it, and its JSON.
  struct Leaf {
    std::vector<std::string> keys;
    std::string json;
  };
  // Names of classes, which W&B has in the run's config.
  struct ClassLabels {
    std::string kind;  // "mask/class_labels" or "bounding_box/class_labels"
    std::string layer;
    std::string json;
  };
  std::vector<File> files;  // in their order; one may be there twice
  std::vector<Leaf> leaves;
  std::vector<ClassLabels> labels;
};

// Where a file is to be, below files/: of its folder, the first digits of its content's hash and
// its extension.
using PathOfFile = std::function<std::string(std::string_view folder, std::string_view sha256,
                                             std::string_view extension)>;

// Of a MEDIA's value (events/README.md). Nothing if it is none, or one of a list is none, or a
// large value can't be had, of which `blobs` knows more.
std::optional<Media> ReadMedia(const Value& value, const PathOfFile& path_of, BlobFolder& blobs);

}  // namespace flarebridge::wandb
