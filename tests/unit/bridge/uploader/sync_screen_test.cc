#include "bridge/uploader/sync_screen.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

TEST_CASE("rows of folders of one name in two places are counted for themselves") {
  SyncScreen screen(2, 100, 600);
  screen.Progress("/a/run/run-x.wandb", {.rows = 5, .bytes = 10}, "");
  screen.Progress("/b/run/run-x.wandb", {.rows = 3, .bytes = 10}, "");
  CHECK(screen.rows() == 8);
  screen.Done("/a/run/run-x.wandb", true);
  screen.Done("/b/run/run-x.wandb", false);
  CHECK(screen.rows() == 8);
  CHECK(screen.done_runs() == 1);
}

}  // namespace
}  // namespace flarebridge
