// Parts of the hot path on one core: events or rows a second. `tests/bench/parts.py` runs it.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "receivers/json.h"
#include "tests/bench/micro/parts.h"

namespace flarebridge::bench {
namespace {

namespace fs = std::filesystem;

// Of a row of 5 values in the run log.
constexpr size_t kRowBytes = 300;

// A folder in memory: what is measured is the processor.
class Scratch {
 public:
  Scratch() {
    std::string name = "/dev/shm/flarebridge-micro-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Scratch() { fs::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void DecodeFilterRoute(benchmark::State& state) {
  Routing routing(static_cast<unsigned>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(routing.Run());
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(DecodeFilterRoute)->ArgName("sites")->Arg(1)->Arg(20)->Arg(500);

void WriteRunLog(benchmark::State& state) {
  const Scratch scratch;
  Writing writing(scratch.path(), static_cast<unsigned>(state.range(0)),
                  static_cast<unsigned>(state.max_iterations));
  for (auto _ : state) writing.Run();
  state.SetItemsProcessed(state.iterations() * kBatch);
}
// The disk's part is memory here; so many rows at most, lest it fills.
BENCHMARK(WriteRunLog)->ArgName("values")->Arg(1)->Arg(5)->Arg(50)->Iterations(300);

void CommitInMemory(benchmark::State& state) {
  const Scratch scratch;
  Storing storing(scratch.path());
  for (auto _ : state) storing.Run();
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(CommitInMemory);

// Limits of the parts: numbers to text, checksums, copies; per row of 5 values (7 numbers that are
// no integers).
void NumbersOfARow(benchmark::State& state) {
  std::string out;
  double number = 0.1;
  for (auto _ : state) {
    out.clear();
    for (int i = 0; i < 7; ++i) AppendJson(number += 1e-7, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(NumbersOfARow);

void ChecksumOfARow(benchmark::State& state) {
  const std::string row(kRowBytes, 'r');
  for (auto _ : state) {
    benchmark::DoNotOptimize(libdeflate_crc32(0, row.data(), row.size()));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ChecksumOfARow);

// As WriteRunLog writes them, 512 at once.
void WriteOfARow(benchmark::State& state) {
  const Scratch scratch;
  const std::string rows(kRowBytes * kBatch, 'r');
  const int file = open((scratch.path() / "log").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  off_t at = 0;
  for (auto _ : state) {
    if (pwrite(file, rows.data(), rows.size(), at) < 0) state.SkipWithError("not written");
    at += static_cast<off_t>(rows.size());
  }
  close(file);
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(WriteOfARow)->Iterations(300);

void CopyOfABatch(benchmark::State& state) {
  const std::string batch = MakeBatch(1, 1, 0);
  std::string copy;
  for (auto _ : state) {
    copy = batch;
    benchmark::DoNotOptimize(copy.data());
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(CopyOfABatch);

}  // namespace
}  // namespace flarebridge::bench

BENCHMARK_MAIN();
