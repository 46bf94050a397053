#include "receivers/wandb/upload/upload_choices.h"

#include <doctest/doctest.h>

#include <vector>

namespace flarebridge::wandb {
namespace {

using Tags = std::vector<std::string>;

TEST_CASE("what is chosen comes before the run's own, and that before what is set for all") {
  RunRecord run;
  run.run_id = "r";
  run.project = "own";
  const RunRecord plain = Chosen(run, {}, "team", "set");
  CHECK(plain.entity == "team");
  CHECK(plain.project == "own");
  const RunRecord chosen = Chosen(run, {"e", "p", "other", "train", {}}, "team", "set");
  CHECK(chosen.entity == "e");
  CHECK(chosen.project == "p");
  CHECK(chosen.run_id == "other");
  CHECK(chosen.job_type == "train");
}

TEST_CASE("tags are renamed, taken away, and never doubled") {
  RunRecord run;
  run.tags = {"a", "b", "c"};
  UploadChoices choices;
  choices.tags = ParseTags("a=x, b = ,c=x").value();
  CHECK(Chosen(run, choices, "", "").tags == Tags{"x"});
  CHECK(ParseTags("")->empty());
  for (const char* wrong : {"a", "=b", "a=b,c"})
    CHECK(ParseTags(wrong).error().message.find("--replace-tags") == 0);
}

}  // namespace
}  // namespace flarebridge::wandb
