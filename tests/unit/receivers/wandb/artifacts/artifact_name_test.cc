// Laws of names: those that W&B's client gave are given.
#include "receivers/wandb/artifacts/artifact_name.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {

TEST_CASE("a name is what W&B's client makes of it") {
  CHECK(ArtifactName("run-xoaq-a.b_c-D9") == "run-xoaq-a.b_c-D9");
  CHECK(ArtifactName("run-tab-t list") == "run-tab-tlist-Teq0Ng");
  CHECK(ArtifactName("run-tr26hrra-in/side") == "run-tr26hrra-inside--IyqrQ");
  CHECK(ArtifactName("run-tr26hrra-sp ace.x-\xc3\xa9") == "run-tr26hrra-space.x--ay-YOg");
  CHECK(ArtifactName("run-8w56lie7-Custom Chart Tables/sp_table") ==
        "run-8w56lie7-CustomChartTablessp_table-_zL4vg");
}

TEST_CASE("a name that is too long is cut, and stays one of its own") {
  const std::string one = ArtifactName(std::string(200, 'a') + "1");
  const std::string other = ArtifactName(std::string(200, 'a') + "2");
  CHECK(one.size() == 128);
  CHECK(other.size() == 128);
  CHECK(one != other);
  CHECK(ArtifactName(std::string(128, 'a')) == std::string(128, 'a'));
}

}  // namespace flarebridge::wandb
