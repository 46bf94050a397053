// An intake on a real journal, as a test of it speaks to it. One thread.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/intake/intake.h"
#include "bridge/journal/journal.h"
#include "receivers/receiver.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::testing {

class Taking {
 public:
  Taking() : journal(Journal::Open((temp.path() / "journal.db").string()).value()) { Load(); }

  void Load() { intake = Intake::Load(*journal, limits).value(); }
  uint64_t Hello(const std::string& session, const std::string& client = "") {
    return intake->Hello({kWireVersion, session, "test"}, client, Clock::now()).value().acked_seq;
  }
  std::optional<Refusal> Take(const std::string& session, uint64_t first,
                              const std::vector<std::string>& events) {
    std::string body;
    for (const std::string& event : events) body += event;
    return intake->Take(session, {first, static_cast<uint32_t>(events.size()), body}, Clock::now());
  }
  Intake::Committed Commit() { return intake->Commit().value(); }

  TempFolder temp;
  std::unique_ptr<Journal> journal;
  Intake::Limits limits;
  std::unique_ptr<Intake> intake;
};

inline size_t EventsIn(const Intake::Committed& committed) {
  size_t events = 0;
  for (const Intake::Slice& slice : committed.slices) events += slice.count;
  return events;
}

}  // namespace flarebridge::testing
