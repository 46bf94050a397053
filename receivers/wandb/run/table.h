// Tables as W&B keeps them: a file of the run with the first rows, and an artifact with all of
// them, with the types of its columns and the media of its cells. The forms are those of W&B's SDK
// (wandb/sdk/data_types/table.py at 0.31.0, with its own runs beside it). Used by table_effect.cc;
// one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/value.h"
#include "receivers/blob_folder.h"

namespace flarebridge::wandb {

struct Table {
  struct File {
    std::string path;  // in the artifact
    std::string content;
  };
  uint64_t columns = 0, rows = 0;  // rows: as many as the script had
  std::string log_mode;
  std::string run_file;     // its content
  std::vector<File> files;  // of the artifact, sorted by path, each once
};

// `name`: of its file in the artifact. `value`: of the MEDIA (events/README.md). `rows`: the bytes
// of its rows, one behind the other. Nothing: it is no table, or one of its media is none.
std::optional<Table> ReadTable(const std::string& name, const Value& value, std::string_view rows,
                               BlobFolder& blobs);

}  // namespace flarebridge::wandb
