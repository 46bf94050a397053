// One part of the hot path, a fixed number of batches, for tools that count instructions and system
// calls. usage: flarebridge_hot_path routing|writing|storing FOLDER BATCHES
#include <cstdlib>
#include <string_view>

#include "tests/bench/micro/parts.h"

int main(int argc, char** argv) {
  using namespace flarebridge::bench;
  if (argc != 4) return 2;
  const std::string_view part = argv[1];
  const int batches = std::atoi(argv[3]);
  if (part == "routing") {
    Routing routing(20);
    for (int i = 0; i < batches; ++i) (void)routing.Run();
  } else if (part == "writing") {
    Writing writing(argv[2], 5, static_cast<unsigned>(batches));
    for (int i = 0; i < batches; ++i) writing.Run();
  } else if (part == "storing") {
    Storing storing(argv[2]);
    for (int i = 0; i < batches; ++i) storing.Run();
  } else {
    return 2;
  }
  return 0;
}
