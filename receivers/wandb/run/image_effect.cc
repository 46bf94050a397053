// An image becomes a file of the run and a value of a row that names it. The row carries the mark.
#include <filesystem>
#include <optional>

#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/image.h"
#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

void AddItems(const Image& image, const std::string& file, std::string_view tag, ItemList& items) {
  const std::string path = PathOf(tag);
  const auto add = [&](std::string_view key, const auto& value) {
    items.Add(path + PathOf(key), ToJson(value));
  };
  add("_type", std::string_view("image-file"));
  add("format", image.format);
  add("width", static_cast<int64_t>(image.width));
  add("height", static_cast<int64_t>(image.height));
  add("path", std::string_view(file));
  add("sha256", std::string_view(image.sha256));
  add("size", static_cast<int64_t>(image.file.size()));
}

}  // namespace

Expected<bool> ApplyImage(RunOutput& out, uint64_t position, const Data& data,
                          Clock::time_point now) {
  const std::optional<Image> image = ReadImage(data.value);
  if (!image) return false;
  const fs::path relative = MediaPath("images", data.tag, data.step, position, image->sha256,
                                      "." + std::string(image->format));
  Expected<bool> possible = WriteRunFile(out.folder / "files", relative, image->file);
  if (!possible || !*possible) return possible;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const std::string file = relative.generic_string();
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendFile(number, file, nullptr, record); });
  AddItems(*image, file, data.tag, out.items);
  out.rows.Add(position, data.step, TimeOf(data), out.items, now, WriterOf(data));
  return true;
}

}  // namespace flarebridge::wandb
