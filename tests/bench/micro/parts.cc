#include "tests/bench/micro/parts.h"

#include <cstdlib>
#include <iostream>
#include <vector>

namespace flarebridge::bench {
namespace {

template <class T>
T Must(Expected<T> made) {
  if (made) return std::move(*made);
  std::cerr << made.error().message << "\n";
  std::exit(1);
}

}  // namespace

std::string MakeBatch(unsigned values, unsigned sites, uint64_t first) {
  std::vector<std::string> keys, names;
  for (unsigned i = 0; i < values; ++i) keys.push_back("metric_" + std::to_string(i));
  for (unsigned i = 0; i < sites; ++i) names.push_back("site-" + std::to_string(i));
  Tape nodes(1 + 2 * values);
  nodes[0].kind = ValueKind::kMap;
  nodes[0].size = values;
  nodes[0].span = 1 + 2 * values;
  std::string batch;
  for (uint32_t i = 0; i < kBatch; ++i) {
    for (unsigned k = 0; k < values; ++k) {
      nodes[1 + 2 * k].kind = ValueKind::kText;
      nodes[1 + 2 * k].text = keys[k];
      nodes[2 + 2 * k].kind = ValueKind::kFloat;
      nodes[2 + 2 * k].number = 1.0 / static_cast<double>(first + i + k + 3);
    }
    Data data;
    data.time = 1789000000 + static_cast<double>(first + i) * 0.001;
    data.site = names[i % sites];
    data.type = DataType::kMetrics;
    data.writer = Writer::kWandb;
    data.tag = "metrics";
    data.value = Value(nodes.data());
    data.step = static_cast<int64_t>((first + i) / sites);
    EncodeEvent(data, batch);
  }
  return batch;
}

Routing::Routing(unsigned sites)
    : batch_(MakeBatch(1, sites, 0)),
      filter_(Must(Filter::Parse("wandb", Value()))),
      scope_(router_.FindScope("", "job", "run", "server")) {
  for (unsigned i = 0; i < sites; ++i)
    router_.Add(scope_, "site-" + std::to_string(i), static_cast<int64_t>(i) + 1);
}

uint64_t Routing::Run() {
  std::string_view rest = batch_;
  uint64_t sum = 0;
  while (!rest.empty()) {
    const DecodedEvent decoded = decoder_.Decode(rest);
    if (!decoded.event || !filter_.Wants(*decoded.event)) std::exit(1);
    sum += static_cast<uint64_t>(*router_.Find(scope_, SiteOf(*decoded.event)));
    rest.remove_prefix(decoded.size);
  }
  return sum;
}

Writing::Writing(const std::filesystem::path& folder, unsigned values, unsigned batches) {
  for (unsigned i = 0; i < batches; ++i)
    batches_.push_back(MakeBatch(values, 1, uint64_t{i} * kBatch));
  RunSpec spec;
  spec.journal = "0123456789abcdef0123456789abcdef";
  spec.job = "job";
  spec.site = "site-0";
  spec.run_name = "run";
  spec.side = "server";
  spec.folder = folder.string();
  spec.started = 1789000000;
  run_ = Must(wandb::WandbRun::Open(spec, folder, Must(wandb::WandbArguments::Parse(Value()))));
}

void Writing::Run() {
  std::string_view rest = batches_.at(next_++);
  now_ += std::chrono::milliseconds(1);
  while (!rest.empty()) {
    const DecodedEvent decoded = decoder_.Decode(rest);
    if (!decoded.event || !run_->Write(++position_, *decoded.event, now_)) std::exit(1);
    rest.remove_prefix(decoded.size);
  }
  if (!run_->Flush(now_)) std::exit(1);
}

Storing::Storing(const std::filesystem::path& folder)
    : batch_(MakeBatch(1, 4, 0)), journal_(Must(Journal::Open((folder / "journal.db").string()))) {
  journal_->Begin();
  run_ = journal_->PutRun({0, "site-0", "opened", 1.0, 0, false});
  if (!journal_->Commit()) std::exit(1);
}

void Storing::Run() {
  journal_->Begin();
  stored_ = journal_->Append(run_, kBatch, batch_);
  journal_->PutRun({run_, "", "", 0, stored_ + kBatch - 1, false});
  journal_->PutSession({"0123456789abcdef0123456789abcdef", stored_, 0, true, "opened"});
  journal_->Forget(run_, stored_ - 1);
  if (!journal_->Commit()) std::exit(1);
}

}  // namespace flarebridge::bench
