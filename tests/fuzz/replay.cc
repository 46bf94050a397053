// Runs a fuzz target over seeds, and over changed copies of them, without libFuzzer: for every test
// run, with the ordinary compiler. usage: replay COPIES FOLDER
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// A byte changed, taken out or put in, or the end cut off; some of these at once.
std::string Changed(std::string input, std::mt19937& random) {
  for (unsigned changes = 1 + random() % 4; changes > 0 && !input.empty(); --changes) {
    const size_t at = random() % input.size();
    switch (random() % 4) {
      case 0:
        input[at] = static_cast<char>(random());
        break;
      case 1:
        input.erase(at, 1 + random() % 8);
        break;
      case 2:
        input.insert(at, 1 + random() % 8, static_cast<char>(random()));
        break;
      default:
        input.resize(at + 1);
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int copies = std::atoi(argv[1]);
  std::mt19937 random(1);  // the same copies every time
  size_t seeds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string seed((std::istreambuf_iterator<char>(file)), {});
    ++seeds;
    Run(seed);
    for (int copy = 0; copy < copies; ++copy) Run(Changed(seed, random));
  }
  std::printf("%zu seeds and %d changed copies of each\n", seeds, copies);
  return seeds > 0 ? 0 : 1;
}
