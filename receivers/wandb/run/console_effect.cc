// Log records become lines of the run's console.
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"

namespace flarebridge::wandb {

Expected<bool> ApplyLogLine(RunOutput& out, uint64_t position, const Data& data) {
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const AppliedMark mark = out.rows.MarkAt(position);
  std::string line = data.value.AsText() ? std::string(*data.value.AsText()) : ToJson(data.value);
  if (!line.ends_with('\n')) line.push_back('\n');
  out.log.Add([&](int64_t number, std::string& record) {
    AppendOutput(number, TimeOf(data), line, &mark, record);
  });
  return true;
}

}  // namespace flarebridge::wandb
