// A text with a path becomes a file of the run. It is on the disk before the record that names it.
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {

Expected<bool> ApplyFile(RunOutput& out, uint64_t position, const Data& data) {
  const std::filesystem::path relative = SafeRelativePath(data.path);
  const std::string_view content = data.value.AsText().value_or(std::string_view());
  Expected<bool> possible = WriteRunFile(out.folder / "files", relative, content);
  if (!possible || !*possible) return possible;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendFile(number, relative.generic_string(), &mark, record);
  });
  return true;
}

}  // namespace flarebridge::wandb
