#include "receivers/wandb/run/left_out.h"

#include "events/printable.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb {

void LeftOut::Count(std::string_view path) {
  constexpr uint64_t kNamed = 3;
  constexpr size_t kMostOfName = 60;  // bytes
  if (++values_ > kNamed) return;
  names_ += (names_.empty() ? "" : ", ") + Printable(KeyOfPath(path, kMostOfName));
}

}  // namespace flarebridge::wandb
