// A journal in memory: it carries out commits as the one on disk does, keeps each of them to be
// looked at, and fails when it is told to. One thread.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "bridge/journal/commit_log.h"

namespace flarebridge::testing {

class MemoryLog : public CommitLog {
 public:
  const std::string& id() const override { return id_; }
  uint64_t stored_bytes() const override {
    uint64_t bytes = 0;
    for (const Stored& stored : slices_) bytes += stored.body.size();
    return bytes;
  }
  Expected<std::vector<StoredSession>> Sessions() override {
    std::vector<StoredSession> all;
    for (const auto& [id, session] : sessions_) all.push_back(session);
    return all;
  }
  Expected<std::vector<StoredRun>> Runs() override {
    std::vector<StoredRun> all;
    for (const auto& [id, run] : runs_) {
      all.push_back(run);
      for (const Stored& stored : slices_)
        if (stored.run == id) all.back().stored_bytes += stored.body.size();
    }
    return all;
  }
  Expected<std::vector<StoredFeed>> Feeds() override { return feeds_; }

  Expected<CommitResult> Commit(const JournalCommit& commit) override {
    tried.push_back(commit);
    if (failing) return Fail(ErrorCode::kTemporary, "the disk is full");
    CommitResult result;
    for (const auto& [run, position] : commit.forgotten) {
      uint64_t& bytes = result.forgotten_bytes.emplace_back();
      std::erase_if(slices_, [&bytes, run = run, position = position](const Stored& stored) {
        const bool gone = stored.run == run && stored.last_position <= position;
        if (gone) bytes += stored.body.size();
        return gone;
      });
    }
    for (const auto& [run, as] : commit.reopened) runs_.at(run).opened = as.opened;
    for (const JournalCommit::NewRun& run : commit.new_runs) {
      result.runs.push_back(next_run_);
      runs_[next_run_] = {next_run_, run.site, run.opened, run.started, 0, false};
      ++next_run_;
    }
    const auto id_of = [&result](int64_t run) {
      return IsNewRun(run) ? result.runs.at(IndexOfNewRun(run)) : run;
    };
    for (const JournalCommit::Slice& slice : commit.slices) {
      const int64_t run = id_of(slice.run);
      result.first_positions.push_back(next_position_);
      next_position_ += slice.count;
      runs_[run].last_position = next_position_ - 1;
      runs_[run].ended = slice.ends;
      runs_[run].guessed = slice.guessed;
      slices_.push_back({run, next_position_ - 1, slice.body});
    }
    for (const StoredFeed& feed : commit.feeds) feeds_.push_back({feed.session, id_of(feed.run)});
    for (const StoredSession& session : commit.sessions) {
      StoredSession& stored = sessions_[session.id];
      const std::string opened = session.opened.empty() ? stored.opened : session.opened;
      stored = session;
      stored.opened = opened;
    }
    for (const std::string& id : commit.dropped_sessions) {
      sessions_.erase(id);
      std::erase_if(feeds_, [&id](const StoredFeed& feed) { return feed.session == id; });
    }
    for (const int64_t run : commit.dropped_runs) runs_.erase(run);
    return result;
  }

  bool failing = false;
  std::vector<JournalCommit> tried;  // also those that failed

 private:
  struct Stored {
    int64_t run = 0;
    uint64_t last_position = 0;
    std::string body;
  };

  std::string id_ = "memory";
  std::map<std::string, StoredSession> sessions_;
  std::map<int64_t, StoredRun> runs_;
  std::vector<StoredFeed> feeds_;
  std::vector<Stored> slices_;
  int64_t next_run_ = 1;
  uint64_t next_position_ = 1;
};

}  // namespace flarebridge::testing
