// Exactly once for a receiver of append-only files: each record says, in a mark, which events it
// and those before it hold. After a crash the marks that are left tell what is not to be written
// again. How a mark lies in the file is each receiver's own (a protobuf field, a JSON member).
// Positions are those of one journal. Pure; one thread.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <vector>

namespace flarebridge {

struct AppliedMark {
  uint64_t journal = 0;  // the first 8 bytes of the journal's id
  uint64_t floor = 0;    // every event up to it that was meant for this run is there
  std::vector<uint64_t> positions = {};  // further ones above the floor, in rising order
};

// The mark of a record that completes these events (in rising order), where `later` is the lowest
// position of all that is written behind the record: the mark claims nothing of that. With nothing
// left to be written, `later` is the highest position given, plus one. Takes the room of `mark`.
void MarkRecord(uint64_t journal, std::span<const uint64_t> positions, uint64_t later,
                AppliedMark& mark);

// What the marks of one file say of one journal.
class AppliedEvents {
 public:
  explicit AppliedEvents(uint64_t journal) : journal_(journal) {}

  // The mark of the next record in the file; one of another journal changes nothing.
  void Take(const AppliedMark& mark);

  // The event's effects are all in the file: it was replayed, and is to be left out.
  bool Contains(uint64_t position) const {
    return position <= floor_ || (!above_.empty() && above_.contains(position));
  }
  uint64_t journal() const { return journal_; }
  // A mark that says alone what all of them say.
  AppliedMark Sum() const { return {journal_, floor_, {above_.begin(), above_.end()}}; }
  // Every event up to here is in the file; 0: none is known to be.
  uint64_t floor() const { return floor_; }
  // The file has a mark of this journal, if only an empty one.
  bool knows_journal() const { return knows_journal_; }

 private:
  uint64_t journal_;
  bool knows_journal_ = false;
  uint64_t floor_ = 0;
  std::set<uint64_t> above_;  // the floor
};

}  // namespace flarebridge
